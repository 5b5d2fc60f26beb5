"""What a study knows and MLflow does not, at the end of its sweep and for `compare` elsewhere."""

import datetime
import logging
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra_async_sweeper.events import Outcome
from hydra_async_sweeper.study.storage import open_storage
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from small_runs import SUBDIR

from densenet_sweep.callbacks.leaderboard import ViewedSweepRun
from densenet_sweep.config.schema import MlflowConfig
from densenet_sweep.results.recorded import recorded
from densenet_sweep.tracking.mlflow_record import open_record

STARTED = datetime.datetime(2026, 1, 2, 3, 4, 5)


@pytest.fixture
def config(tracking: dict[str, Any]) -> DictConfig:
    sweeper = {"params": {"x": "interval(0,1)"}, "n_trials": 4, "direction": "maximize", "storage": None}
    return OmegaConf.create(
        {
            "tracking": tracking,
            "objective": "valid_accuracy",
            "hydra": {"sweeper": sweeper, "overrides": {"task": []}, "sweep": SUBDIR},
        }
    )


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    study = optuna.create_study(study_name="mine", storage=open_storage(None, tmp_path), direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    return study


def add(study: optuna.Study, state: str, *reports: float, **attributes: Any) -> None:
    trial = create_trial(
        state=TrialState[state],
        value=reports[-1] if state == "COMPLETE" else None,
        params={"x": 0.5},
        distributions={"x": FloatDistribution(0, 1)},
        intermediate_values=dict(enumerate(reports, start=1)),
        user_attrs={"num_parameters": 12, "seconds": 3.0, **attributes},
    )
    if trial.state.is_finished():
        trial.datetime_start, trial.datetime_complete = STARTED, STARTED + datetime.timedelta(minutes=1)
    study.add_trial(trial)


def record(config: DictConfig, number: int, *values: float, end: str | None = None) -> str:
    """Record a trial as its process does, and return the id of its run."""
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    opened = open_record(
        **settings, name=f"trial {number}", parameters={"x": 0.5, "objective": "valid_accuracy"},
        tags={"trial.number": str(number)}, study_name="mine", run_id=None, key=f"key{number}",
    )  # fmt: skip
    for step, value in enumerate(values, start=1):
        opened.epoch({"valid_accuracy": value}, step=step)
    if end is not None:
        opened.finish(end, None)
    return str(opened.run_id)


def end_sweep(
    config: DictConfig, folder: Path, reason: str = "4 of 4 trials are finished", outcome: Outcome = "finished"
) -> None:
    event_arguments: dict[str, Any] = {"config": config, "study_name": "mine", "sweep_dir": str(folder)}
    ViewedSweepRun().on_study_end(**event_arguments, reason=reason, outcome=outcome, states={}, best=[])


def runs(client: MlflowClient) -> dict[str, Run]:
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert len({run.data.tags.get("trial.number") for run in found}) == len(found)
    return {run.data.tags.get("trial.number", "parent"): run for run in found}


def history(client: MlflowClient, run: Run) -> dict[int, float]:
    found = client.get_metric_history(run.info.run_id, "valid_accuracy")
    assert len({metric.step for metric in found}) == len(found)
    return {metric.step: metric.value for metric in found}


def test_what_is_missing_is_completed_once_and_said(config, client, study, tmp_path, caplog):
    whole = record(config, 0, 0.5, 0.625, end="complete")
    add(study, "COMPLETE", 0.5, 0.625, mlflow_run_id=whole, record_key="key0")
    stale = record(config, 1, 0.5, end="complete")
    add(study, "COMPLETE", 0.5, 0.875, mlflow_run_id=stale, record_key="key1")
    add(study, "COMPLETE", 0.25, 0.75, record_key="key2")  # has no run
    record(config, 3, 0.125)  # whose id the study does not have, and that stayed open
    add(study, "PRUNED", 0.125, record_key="key3", reason="after epoch 1 of 2")
    add(study, "FAIL", reason="no such option")  # failed before its training
    add(study, "COMPLETE", 0.5, mlflow_run_id="0" * 32, record_key="key5")  # its user has deleted the run
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            end_sweep(config, tmp_path)
        found = runs(client)
        parent = found.pop("parent")
        assert {number: run.info.status for number, run in found.items()} == {
            "0": "FINISHED", "1": "FINISHED", "2": "FINISHED", "3": "KILLED", "4": "FAILED"
        }  # fmt: skip
        assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}
        assert history(client, found["0"]) == {1: 0.5, 2: 0.625}
        assert history(client, found["1"]) == {1: 0.5, 2: 0.875}
        assert history(client, found["2"]) == {1: 0.25, 2: 0.75}
        assert found["2"].data.params == {"objective": "valid_accuracy", "x": "0.5"}
        assert found["2"].data.metrics | {"num_parameters": 12, "total_seconds": 3} == found["2"].data.metrics
        assert found["2"].info.start_time == STARTED.timestamp() * 1000
        assert found["3"].data.tags["trial.reason"] == "after epoch 1 of 2"
        assert {number for number, run in found.items() if "trial.incomplete" in run.data.tags} == {"1", "2", "3", "4"}
    assert caplog.messages == []  # the second time

    Path(tmp_path / "study.journal").unlink()
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    elsewhere = recorded(MlflowConfig(_target_="", keep_checkpoints=3, **settings), "mine")[0].load()
    assert max((trial.values, trial.number) for trial in elsewhere.complete) == ((0.875,), 1)
    assert elsewhere.note.endswith("Of trials 1, 2, 3, 4 it has only what the study knew.")


def test_the_first_end_says_which_trials_were_completed(config, study, tmp_path, caplog):
    add(study, "COMPLETE", 0.5, record_key="key0")
    end_sweep(config, tmp_path)
    assert caplog.messages == [
        "MLflow did not have all of trial 0: what the study knows is there now, and the runs say what is missing"
    ]


def test_a_host_that_comes_back_later_adds_what_only_it_had(config, client, study, tmp_path):
    add(study, "COMPLETE", 0.5, 0.75, record_key="key0")
    end_sweep(config, tmp_path)
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    late = open_record(
        **settings, name="trial 0", parameters={"x": 0.5, "epochs": 2}, tags={"trial.number": "0"}, study_name="mine",
        run_id=None, key="key0", may_exist=True,
    )  # fmt: skip
    for step in (1, 2):
        late.epoch({"valid_accuracy": 0.25 + 0.25 * step, "train_loss": 1.0}, step=step)
    late.finish("complete", None)
    (run,) = (run for number, run in runs(client).items() if number == "0")
    assert history(client, run) == {1: 0.5, 2: 0.75}
    assert run.data.metrics["train_loss"] == 1.0
    assert run.data.params["epochs"] == "2"
    assert "trial.incomplete" not in run.data.tags


@pytest.mark.parametrize(("host", "status"), [("another", "RUNNING"), (None, "KILLED")])
def test_an_interrupted_command_leaves_the_parent_to_another_that_works(config, client, study, tmp_path, host, status):
    lease = {"token": "a", "host": host, "pid": 4711, "process_start": 1.5, "until": 0.0}
    add(study, "RUNNING", 0.5, **({"lease": lease} if host else {}))
    callback = ViewedSweepRun()
    event_arguments: dict[str, Any] = {"config": config, "study_name": "mine", "sweep_dir": str(tmp_path)}
    callback.on_study_open(**event_arguments, command="densenet-sweep sweep=mine")
    callback.on_study_end(**event_arguments, reason="interrupted", outcome="interrupted", states={})
    parent = runs(client)["parent"]
    assert parent.info.status == status
    assert (parent.data.tags["host"] == "another") == (status == "RUNNING")
    callback.on_study_end(**event_arguments, reason="4 of 4 trials are finished", outcome="finished", states={})
    assert runs(client)["parent"].info.status == "FINISHED"


@pytest.mark.usefixtures("study")
def test_compare_elsewhere_says_what_mlflow_lacks(config, tmp_path):
    event_arguments: dict[str, Any] = {"config": config, "study_name": "mine", "sweep_dir": str(tmp_path)}
    ViewedSweepRun().on_study_open(**event_arguments, command="densenet-sweep sweep=mine")
    record(config, 0, 0.5, end="complete")
    record(config, 2, 0.25)
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    Path(tmp_path / "study.journal").unlink()
    note = recorded(MlflowConfig(_target_="", keep_checkpoints=3, **settings), "mine")[0].load().note
    assert note.endswith("MLflow has no run of trial 1. Ended, as far as it knows: 1 of 4 trials; the best may be missing.")
