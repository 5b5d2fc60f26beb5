"""The sampler beside the pruner `auto`; what stops trials is tested in `test_promotion.py`."""

import optuna
import pytest
from hydra_async_sweeper.study.auto_pruner import AutoPruner, sampler_section
from hydra_async_sweeper.study.promotion import PromotionPruner
from hydra_async_sweeper.trial import STOPPED_ITSELF
from optuna.trial import TrialState, create_trial


@pytest.mark.parametrize(
    ("num_complete", "num_stopped", "arguments", "named", "number"),
    [
        (10, 0, {}, 10, 10),
        (3, 5, {}, 10, 15),
        (1, 30, {}, 10, 20),
        (1, 30, {}, 25, 25),
        (1, 30, {"num_random": 0}, 10, 10),
        (1, 30, {"num_random": 40}, 10, 40),
    ],
)
def test_by_default_the_random_trials_are_more_where_trials_stop(num_complete, num_stopped, arguments, named, number):
    study = optuna.create_study(pruner=AutoPruner(**arguments))
    study.add_trials([create_trial(value=0.5)] * num_complete)
    study.add_trials([create_trial(state=TrialState.PRUNED)] * num_stopped)
    assert sampler_section(study, {"seed": 1, "n_startup_trials": named}) == {"seed": 1, "n_startup_trials": number}


def test_the_random_trials_are_as_many_as_named_beside_another_pruner_and_where_a_task_stops_itself():
    stopped = create_trial(state=TrialState.PRUNED)
    study = optuna.create_study(pruner=PromotionPruner())
    study.add_trial(stopped)
    assert sampler_section(study, {"n_startup_trials": 10}) == {"n_startup_trials": 10}
    study = optuna.create_study(pruner=AutoPruner())
    study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs={STOPPED_ITSELF: True}))
    assert sampler_section(study, {"n_startup_trials": 10}) == {"n_startup_trials": 10}
    study.add_trial(stopped)
    assert sampler_section(study, {"n_startup_trials": 10}) == {"n_startup_trials": 11}
    assert sampler_section(study, {"seed": 0}) == {"seed": 0}
