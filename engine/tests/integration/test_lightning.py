"""A project as Lightning's public template is, whose one changed line is the sweeper's name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lightning  # noqa: F401 - an error here says that it is missing, sooner than a project that fails
import optuna
import pytest
import yaml

MEDIAN = ("hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=1")
SEARCH = ("hparams_search=line_optuna", "experiment=logged", *MEDIAN)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(Path(__file__).with_name("lightning_project"), folder)
    return folder


def train(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "src/train.py", *arguments],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("launcher", [["hydra/launcher=basic"], ["hydra/launcher=local", "hydra.launcher.num_workers=2"]])
def test_a_project_of_the_template_is_searched_and_pruned(project, launcher):
    from hydra_async_sweeper.study import study_file

    printed = train(project, "-m", *SEARCH, *launcher)
    sweep = project / "logs" / "train" / "multiruns" / "search"
    trials = study_file.read(sweep).load().get_trials(states=(optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED))
    assert len(trials) == 5
    assert {"PRUNED", "COMPLETE"} == {trial.state.name for trial in trials}
    assert "python src/train.py --config-dir logs/train/multiruns/search experiment=best" in printed
    best = yaml.safe_load((sweep / "experiment" / "best.yaml").read_text())
    assert best["defaults"] == ["_self_", {"override /logger": "csv"}]
    assert set(best["model"]) <= {"lr", "width"}
    assert (best["seed"], best["optimized_metric"]) == (7, "val/loss")
