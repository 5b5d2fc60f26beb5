"""How Hydra is started for a command line, on Hydra 1.3 and 1.4 alike."""

import pytest

from densenet_sweep.config.runnable import Start, checked
from densenet_sweep.config.schema import ConfigError

SWEEP = ["sweep=growth_depth_lr", "data=digits"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sweep").mkdir()
    head = (
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: async_optuna\n"
        "hydra:\n  sweeper:\n    params:\n      seed: choice(1,2)\n"
    )
    (tmp_path / "sweep" / "mine.yaml").write_text(head)
    (tmp_path / "sweep" / "with_mode.yaml").write_text(f"{head}  mode: MULTIRUN\n")
    return ["--config-dir", str(tmp_path), "data=digits"]


@pytest.mark.parametrize(
    ("arguments", "is_multirun"),
    [
        (SWEEP, True),
        ([*SWEEP, "optimizer.lr=choice(0.1,0.2)"], True),
        (["-m", *SWEEP], False),  # it was typed
        ([*SWEEP, "hydra.mode=RUN"], False),
        ([*SWEEP, "--cfg", "job"], False),
        (["data=digits"], False),
        (["--config-name=theirs", "sweep=quickstart"], True),
        (["--config-name=theirs"], False),
    ],
)
def test_a_command_that_chooses_a_sweep_file_is_a_sweep(arguments, is_multirun):
    assert checked(arguments).is_multirun is is_multirun


@pytest.mark.parametrize("name", ["mine", "with_mode"])
def test_a_users_own_sweep_file_needs_no_mode_and_may_have_one(folder, name):
    assert checked([*folder, f"sweep={name}"]).is_multirun
    assert not checked(["-m", *folder, f"sweep={name}"]).is_multirun


def test_hydra_may_call_our_callbacks_and_those_that_the_user_names():
    callback, handler = (
        "+hydra.callbacks.mine._target_=theirs.Callback",
        "+hydra.job_logging.handlers.h.class=rich.logging.RichHandler",
    )
    targets = checked(["data=digits", "trusted_targets=[my_package.*]", callback, handler]).targets
    assert targets is not None
    assert {"densenet_sweep.*", "my_package.*", "theirs.Callback", "rich.logging.RichHandler", "sys.stdout"} <= {*targets}


def test_what_hydra_may_call_of_another_config_is_not_known():
    assert checked(["--config-name=theirs"]) == Start()


@pytest.mark.parametrize(
    ("objective", "direction"),
    [("valid_accuracy", "maximize"), ("valid_loss", None), ("[valid_accuracy,num_parameters]", "[maximize,minimize]")],
)
def test_a_search_without_a_sweep_file_follows_the_objective(objective, direction):
    assert checked(["-m", "hydra/sweeper=async_optuna", f"objective={objective}"]).direction == direction
    assert checked([*SWEEP, f"objective={objective}"]).direction is None  # the sweep file states it


def test_the_wrong_direction_is_refused():
    line = r"^hydra\.sweeper\.direction=minimize: maximize is accepted with objective=valid_accuracy$"
    with pytest.raises(ConfigError, match=line):
        checked([*SWEEP, "hydra.sweeper.direction=minimize"])
