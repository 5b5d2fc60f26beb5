import logging

import optuna
import pytest
from hydra_async_sweeper.study import searches
from hydra_async_sweeper.study.auto_pruner import AutoPruner
from hydra_async_sweeper.study.build import pruner
from hydra_async_sweeper.study.default_pruner import section_of, section_of_continued
from hydra_async_sweeper.trial import WARM_START
from optuna.trial import TrialState, create_trial

AUTO = {"_target_": "hydra_async_sweeper.study.auto_pruner.AutoPruner", "at_least": 5, "milestone_factor": 3}
NONE = {"_target_": "optuna.pruners.NopPruner"}
OPTIONS = {
    "pruner": AUTO, "sampler": {"_target_": "optuna.samplers.TPESampler"}, "n_trials": 30, "patience": None, "repeats": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "num_objectives"),
    [
        ({}, 2),
        ({"n_trials": 29}, 1),
        ({"patience": 5}, 1),
        ({"repeats": True}, 1),
        ({"sampler": {"_target_": "optuna.samplers.GridSampler"}}, 1),
        ({"sampler": {"_target_": "my_package.Sampler"}}, 1),
    ],
)
def test_where_it_does_not_pay_every_trial_is_complete(changes, num_objectives):
    assert section_of({**OPTIONS, **changes}, num_objectives) == NONE


def test_of_many_trials_the_best_third_continues():
    assert section_of(OPTIONS, 1) == AUTO
    assert section_of({**OPTIONS, "stop_when": {"gain": 0.002, "trials": 10}}, 1) == AUTO
    assert isinstance(pruner(AUTO, 1), AutoPruner)


def test_a_pruner_that_is_named_stays():
    assert section_of({**OPTIONS, "pruner": NONE, "n_trials": 1}, 2) == NONE


def test_a_study_that_began_without_it_continues_without_a_pruner(caplog):
    caplog.set_level(logging.INFO, "hydra_async_sweeper")
    study = optuna.create_study(study_name="mine")
    study.enqueue_trial({"x": 1})
    study.add_trial(create_trial(value=0.0, user_attrs={WARM_START: "other/1"}))
    assert section_of_continued(study, AUTO) == AUTO
    study.add_trial(create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.5}))
    assert section_of_continued(study, AUTO) == NONE  # of an earlier version, which recorded no search
    searches.record(study, {**OPTIONS, "pruner": NONE}, {})
    assert section_of_continued(study, AUTO) == NONE
    assert "study mine began without hydra/sweeper/pruner=auto, and continues with none" in caplog.text
    median = {"_target_": "optuna.pruners.MedianPruner"}
    assert section_of_continued(study, median) == median
    searches.record(study, OPTIONS, {})
    assert section_of_continued(study, AUTO) == AUTO
