"""Optuna's samplers and pruners and ours may be named, and what the user trusts."""

import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.trust import check_targets

NESTED = {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": {"_target_": "my_package.Pruner", "x": 1}}


@pytest.mark.parametrize(
    "target",
    [
        "optuna.samplers.TPESampler",
        "optuna.pruners.NopPruner",
        "optuna.storages.RDBStorage",
        "hydra_async_sweeper.study.promotion.X",
    ],
)
def test_optunas_and_ours_are_admitted(target):
    check_targets({"_target_": target}, "hydra.sweeper.sampler", [])


@pytest.mark.parametrize("target", ["os.system", "optuna.samplers_evil.X", "optuna.create_study", "my_package.Sampler"])
def test_others_are_refused(target):
    message = (
        rf"^hydra\.sweeper\.sampler\._target_={target}: is neither Optuna's nor trusted; hydra\.sweeper\.trusted_targets=\["
    )
    with pytest.raises(SweepError, match=message):
        check_targets({"_target_": target}, "hydra.sweeper.sampler", ["my_package"])


def test_nested_ones_are_looked_at():
    with pytest.raises(SweepError, match=r"^hydra\.sweeper\.pruner\.wrapped_pruner\._target_=my_package\.Pruner: "):
        check_targets(NESTED, "hydra.sweeper.pruner", [])
    check_targets(NESTED, "hydra.sweeper.pruner", ["my_package.*"])
    check_targets(None, "hydra.sweeper.pruner", [])
