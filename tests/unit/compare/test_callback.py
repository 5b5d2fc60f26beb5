from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf

from densenet_sweep.compare.callback import PrintLeaderboard
from densenet_sweep.sweep.storage import open_storage

CONFIG = OmegaConf.create({"hydra": {"sweeper": {"storage": None}}})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs" / "sweeps" / "mine"


def ended(folder: Path) -> None:
    PrintLeaderboard().on_study_end(config=CONFIG, study_name="mine", sweep_dir=str(folder), reason="done")


def test_the_leaderboard_and_what_to_type_next(folder, capsys):
    study = optuna.create_study(study_name="mine", storage=open_storage(None, folder), direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.75))
    ended(folder)
    printed = capsys.readouterr().out
    assert "study mine" in printed
    assert "0.7500" in printed
    for line in ("densenet-sweep ui ", "densenet-sweep compare mine ", "--config-dir outputs/sweeps/mine experiment=best "):
        assert line in printed


def test_a_study_without_trials_prints_nothing(folder, capsys):
    optuna.create_study(study_name="mine", storage=open_storage(None, folder))
    ended(folder)
    assert capsys.readouterr().out == ""
