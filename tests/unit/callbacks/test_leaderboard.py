from pathlib import Path

import optuna
import pytest
from hydra_async_sweeper.study.storage import open_storage
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.callbacks.leaderboard import PrintLeaderboard

CONFIG = OmegaConf.create(
    {
        "hydra": {
            "sweeper": {"storage": None},
            "overrides": {"task": []},
            "runtime": {"config_sources": []},
            "searchpath": [],
        }
    }
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs" / "sweeps" / "mine"


def ended(folder: Path, config: DictConfig = CONFIG) -> None:
    PrintLeaderboard().on_study_end(config=config, study_name="mine", sweep_dir=str(folder), reason="done")


@pytest.fixture
def study(folder):
    study = optuna.create_study(study_name="mine", storage=open_storage(None, folder), direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.75))
    return study


def recorded(uri: str, *typed: str) -> DictConfig:
    sections = {"tracking": {"uri": uri, "experiment": "tests"}, "hydra": {"overrides": {"task": list(typed)}}}
    return OmegaConf.merge(CONFIG, sections)  # type: ignore[return-value]


@pytest.mark.usefixtures("study")
def test_the_leaderboard_and_what_to_type_next(folder, capsys):
    ended(folder, recorded("sqlite:///mlruns/mlflow.db"))
    printed = capsys.readouterr().out
    assert "study mine" in printed
    assert "0.7500" in printed
    for line in (
        "densenet-sweep ui mine ",
        "densenet-sweep compare mine ",
        "--config-dir outputs/sweeps/mine experiment=best ",
    ):
        assert line in printed


@pytest.mark.usefixtures("study")
def test_the_ui_is_told_where_the_runs_are_as_the_sweep_was(folder, capsys):
    typed = ("tracking.uri=sqlite:///elsewhere.db", "tracking.experiment=mine too", "epochs=2")
    ended(folder, recorded("sqlite:///elsewhere.db", *typed))
    assert (
        "  densenet-sweep ui mine tracking.uri=sqlite:///elsewhere.db 'tracking.experiment=mine too' "
        in capsys.readouterr().out
    )


@pytest.mark.usefixtures("study")
def test_without_a_record_there_is_nothing_to_look_at(folder, capsys):
    ended(folder)
    assert "densenet-sweep ui" not in capsys.readouterr().out


@pytest.mark.usefixtures("study")
def test_a_server_that_has_gone_is_no_error_here(folder, capsys):
    ended(folder, recorded("http://127.0.0.1:1", "tracking.uri=http://127.0.0.1:1"))
    assert "  densenet-sweep ui mine tracking.uri=http://127.0.0.1:1 " in capsys.readouterr().out


def test_a_study_without_trials_prints_nothing(folder, capsys):
    optuna.create_study(study_name="mine", storage=open_storage(None, folder))
    ended(folder)
    assert capsys.readouterr().out == ""
