import datetime

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from densenet_sweep.results.from_optuna import distribution_from, range_from, read_study
from densenet_sweep.results.study import Range, Study, Trial

DISTRIBUTIONS = [
    FloatDistribution(0.01, 1, log=True),
    FloatDistribution(0, 1, step=0.25),
    IntDistribution(16, 40, step=6),
    IntDistribution(1, 64, log=True),
    CategoricalDistribution(["sgd", "adamw", None, True]),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_a_range_holds_all_of_a_distribution(distribution):
    assert distribution_from(range_from(distribution)) == distribution


def test_a_trial_as_values():
    study = optuna.create_study(study_name="mine", direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy", "seed": 1})
    start = datetime.datetime(2026, 11, 28)
    trial = create_trial(
        state=TrialState.PRUNED,
        value=0.5,
        params={"optimizer.lr": 0.1},
        distributions={"optimizer.lr": FloatDistribution(0.01, 1, log=True)},
        intermediate_values={1: 0.4, 3: 0.5},
        user_attrs={
            "num_parameters": 12, "num_valid": 100, "num_test": 200, "num_steps": 9, "rungs": [1, 3], "seconds": 5.0,
            "rung_seconds": 4.0, "at_rungs": {"1": 0.3}, "mlflow_run_id": "r", "record_key": "k",
            "reason": "after the rung of 3 epochs",
            "promoted_from": {"trial": 7, "step": 1, "seconds": 1.0}, "warm_start_from": "other/2",
        },
    )  # fmt: skip
    trial.datetime_start, trial.datetime_complete = start, start + datetime.timedelta(seconds=6)
    study.add_trial(trial)
    read = read_study(study)
    assert read == Study(
        name="mine",
        objectives=("valid_accuracy",),
        directions=("maximize",),
        trials=(
            Trial(
                number=0,
                state="pruned",
                values=(0.5,),
                params={"optimizer.lr": 0.1},
                ranges={"optimizer.lr": Range(0.01, 1, is_log=True)},
                reports={1: 0.4, 3: 0.5},
                at_rungs={1: 0.3},
                num_parameters=12,
                num_valid=100,
                num_test=200,
                epochs=9,
                rungs=(1, 3),
                seconds=5.0,
                rung_seconds=4.0,
                passed_seconds=1.0,
                reason="after the rung of 3 epochs",
                promoted_from=7,
                passed_step=1,
                taken_over_from="other/2",
                start=start,
                end=start + datetime.timedelta(seconds=6),
            ),
        ),
        config={"objective": "valid_accuracy", "seed": 1},
    )
    assert read.successors() == {7: 0}
    assert (read.trials[0].last_step, read.trials[0].own_seconds, read.trials[0].is_own) == (3, 4.0, False)


def test_what_a_promoted_trial_took_has_the_rungs_of_the_trials_that_it_continues_from():
    study = optuna.create_study(direction="maximize")
    for attributes in (
        {"seconds": 2.0, "rung_seconds": 2.0},
        {"seconds": 9.0, "rung_seconds": 3.0, "promoted_from": {"trial": 0, "step": 1}},  # by an earlier version: its own alone
        {"seconds": 10.0, "rung_seconds": 2.0, "promoted_from": {"trial": 0, "step": 1, "seconds": 2.0}},
        {"seconds": 12.0, "rung_seconds": 2.0},  # trained its rung itself
        {"seconds": 9.0, "promoted_from": {"trial": 0, "step": 1}, "warm_start_from": "other/5"},  # of another study's trial 0
    ):
        study.add_trial(create_trial(value=0.5, user_attrs=attributes))
    trials = read_study(study).trials
    assert [trial.seconds for trial in trials] == [2.0, 11.0, 10.0, 12.0, 9.0]
    assert [trial.rung_seconds for trial in trials] == [2.0, 5.0, 2.0, 2.0, 0.0]
    assert [trial.own_seconds for trial in trials] == [2.0, 9.0, 8.0, 12.0, 9.0]


def test_a_trial_of_another_application_has_no_more_than_optuna_knows():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(create_trial(state=TrialState.WAITING))
    study.add_trial(create_trial(values=[0.5, 7.0]))
    study.add_trial(create_trial(values=[0.4, 8.0]))
    read = read_study(study)
    assert (read.objectives, read.directions) == (("value 0", "value 1"), ("maximize", "minimize"))
    assert read.front == {1}
    assert [trial.state for trial in read.trials] == ["waiting", "complete", "complete"]
    assert [trial.number for trial in read.begun] == [1, 2]


def test_repetitions_are_tested_and_have_no_best():
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("repeats", True)
    study.set_user_attr("config", {"objective": "valid_loss"})
    assert (read_study(study).objectives, read_study(study).is_repeated) == (("test_accuracy",), True)
