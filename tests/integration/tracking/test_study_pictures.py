"""The pictures that a sweep leaves with its parent run."""

import logging
import os
import re
import urllib.parse
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra_async_sweeper.study import study_file
from hydra_async_sweeper.study.storage import open_storage
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from optuna.trial import TrialState, create_trial
from small_runs import SUBDIR

from densenet_sweep.callbacks.store_pictures import StorePictures
from densenet_sweep.callbacks.sweep_run import SweepRun
from densenet_sweep.tracking import store

SWEEP = (
    "sweep=growth_depth_lr",
    "data=digits",
    "epochs=3",
    "architecture.growth_rate=choice(4,8)",
    "architecture.depth=choice(10,16)",
    "optimizer.lr=choice(0.1,0.2,1e30)",  # the last diverges, so that some trials fail
    "hydra/launcher=basic",
    "hydra.sweeper.n_trials=8",
    "hydra.sweeper.max_failure_rate=1",
    "hydra.sweeper.enqueue=[{optimizer.lr:0.2,architecture.depth:10},{optimizer.lr:1e30,architecture.depth:10}]",
    "tracking.system_metrics=false",
)


def parent_of(client: MlflowClient, experiment: str, study: str) -> Run:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    (run,) = client.search_runs([found.experiment_id], f"tags.`study` = '{study}' AND tags.`role` = 'study'")
    return run


def artifacts(client: MlflowClient, run: Run, folder: str = "") -> set[str]:
    return {file.path for file in client.list_artifacts(run.info.run_id, folder)}


def test_a_sweep_with_complete_pruned_and_failed_trials(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    typed = command(*SWEEP)
    assert typed.exit_code == 0, typed.err
    client = store.connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    run = parent_of(client, "densenet_sweep", "growth_depth_lr-digits")
    states = {
        child.data.tags["trial.state"]
        for child in client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    }
    assert states >= {"complete", "pruned"}
    assert run.info.status == "FINISHED"
    assert {"best.yaml", "pictures", "report.html"} <= artifacts(client, run)
    expected = {"optimization_history", "learning_curves", "slices"}
    assert artifacts(client, run, "pictures") >= {f"pictures/{name}.png" for name in expected}
    text = Path(client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))).read_text()
    assert re.search(r"\d complete, \d pruned, \d failed", text)
    for word in ("data=digits", "Commit", "Hardware"):
        assert word in text
    mailed = command("compare", "growth_depth_lr-digits", "--html", "mine.html")
    assert (mailed.exit_code, mailed.err) == (0, "")
    assert mailed.out.endswith("\nreport: mine.html\n")
    mine = (tmp_path / "mine.html").read_text()
    assert mine.count("<figure") == text.count("<figure")
    assert "Hardware" in mine
    as_json = command("compare", "--format", "json", "--html", "mine.html")
    assert as_json.err == "\nreport: mine.html\n"
    assert "report" not in as_json.out


@pytest.fixture
def config(tracking: dict[str, Any]) -> DictConfig:
    sweeper = {"params": {"x": "interval(0,1)"}, "n_trials": 3, "direction": "maximize", "storage": None}
    return OmegaConf.create(
        {"tracking": tracking, "objective": "value", "hydra": {"sweeper": sweeper, "overrides": {"task": []}, "sweep": SUBDIR}}
    )


def study_in(folder: Path, *states: str) -> None:
    study = optuna.create_study(study_name="mine", storage=open_storage(None, folder), direction="maximize")
    for index, state in enumerate(states):
        study.add_trial(create_trial(state=TrialState[state], value=index / 10 if state == "COMPLETE" else None))
    study_file.write(folder, study, storage=None, n_trials=3, command="densenet-sweep sweep=mine")


def ended(config: DictConfig, folder: Path, reason: str = "done") -> None:
    StorePictures().on_study_end(config=config, study_name="mine", sweep_dir=str(folder), reason=reason, states={})


def opened(config: DictConfig, folder: Path) -> MlflowClient:
    SweepRun().on_study_open(config=config, study_name="mine", sweep_dir=str(folder), command="it")
    return store.connect(config.tracking.uri)


def umask() -> int:
    """The umask of this process, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]


def test_an_interrupted_sweep_and_its_continuation(config, tmp_path):
    study_in(tmp_path, "COMPLETE", "COMPLETE", "RUNNING")
    client = opened(config, tmp_path)
    ended(config, tmp_path, "interrupted")
    run = parent_of(client, "tests", "mine")
    assert artifacts(client, run) == {"pictures", "report.html"}
    assert artifacts(client, run, "pictures") == {"pictures/optimization_history.png"}
    folder = Path(urllib.parse.urlsplit(run.info.artifact_uri).path)
    assert folder.stat().st_mode & 0o055 == 0o055 & ~umask()
    ended(config, tmp_path)
    assert artifacts(client, run) == {"pictures", "report.html"}


@pytest.mark.parametrize("states", [(), ("RUNNING", "WAITING")], ids=str)
def test_a_sweep_without_an_ended_trial_has_none(config, tmp_path, states, caplog):
    study_in(tmp_path, *states)
    client = opened(config, tmp_path)
    ended(config, tmp_path, "interrupted")
    assert artifacts(client, parent_of(client, "tests", "mine")) == set()
    assert warnings_of(caplog) == []


def test_without_mlflow_nothing_is_drawn(config, tmp_path, monkeypatch):
    config.tracking = {"_target_": "densenet_sweep.tracking.null_record.open_record"}
    monkeypatch.setattr("densenet_sweep.report.pictures.draw", lambda _: pytest.fail("drawn"))
    study_in(tmp_path, "COMPLETE")
    ended(config, tmp_path)


def test_a_server_that_is_dead_costs_one_warning(config, tmp_path, caplog):
    config.tracking.uri = "http://me:secret@127.0.0.1:9"
    study_in(tmp_path, "COMPLETE")
    ended(config, tmp_path)
    assert warnings_of(caplog) == [
        "tracking.uri=http://me:***@127.0.0.1:9: the pictures of the study are not stored (Connection refused); "
        "densenet-sweep compare --html FILE draws them"
    ]


def test_pictures_go_through_a_server(config, tmp_path, server):
    config.tracking.uri = server.uri
    study_in(tmp_path, "COMPLETE", "COMPLETE")
    client = opened(config, tmp_path)
    ended(config, tmp_path)
    assert artifacts(client, parent_of(client, "tests", "mine")) == {"pictures", "report.html"}
