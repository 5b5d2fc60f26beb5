"""Which trials of a study are the best."""

import optuna
import pytest
from hydra_async_sweeper.best_config import REPEATS
from hydra_async_sweeper.study.ranking import best_first
from hydra_async_sweeper.trial import WARM_START


def study(*directions: str, values: list[list[float] | None]) -> optuna.Study:
    made = optuna.create_study(directions=list(directions))
    for given in values:
        state = optuna.trial.TrialState.FAIL if given is None else optuna.trial.TrialState.COMPLETE
        made.add_trial(optuna.trial.create_trial(values=given, state=state))
    return made


@pytest.mark.parametrize(("direction", "expected"), [("maximize", [2, 0, 3]), ("minimize", [0, 3, 2])])
def test_complete_trials_best_first_and_the_earlier_of_equals(direction, expected):
    assert best_first(study(direction, values=[[0.5], None, [0.9], [0.5]])) == expected


def test_the_pareto_front_comes_first():
    assert best_first(study("maximize", "minimize", values=[[0.9, 9], [0.8, 9], [0.5, 1], [0.95, 10]])) == [3, 0, 2, 1]


def test_trials_of_another_study_and_repetitions_have_no_rank():
    made = study("maximize", values=[[0.5]])
    made.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={WARM_START: "another"}))
    assert best_first(made) == [0]
    made.set_user_attr(REPEATS, True)
    assert best_first(made) == []


def test_a_study_without_complete_trials_has_no_best():
    assert best_first(study("maximize", "minimize", values=[None])) == []
