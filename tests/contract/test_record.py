"""What every record promises, and what MLflow's keeps of a run: on sqlite, in a temporary folder."""

import errno
import json
import logging
import math
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.tracking.client
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from densenet_sweep.tracking import left_behind, mlflow_record, null_record, outbox, store
from densenet_sweep.tracking.record import DataUsed, Record
from densenet_sweep.tracking.run_note import Description

Open = Callable[..., Record]

RUN: dict[str, Any] = {
    "name": "a run",
    "parameters": {"architecture": "d2l", "optimizer.lr": 0.1},
    "tags": {"host": "here"},
    "study_name": None,
    "run_id": None,
}


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> dict[str, Any]:
    """The section `tracking` of a config, its store fresh."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return {
        "uri": f"sqlite:///{tmp_path}/mlflow.db",
        "artifact_location": str(tmp_path / "artifacts"),
        "experiment": "tests",
        "required": True,
        "system_metrics": False,
    }


@pytest.fixture
def client(settings: dict[str, Any]) -> MlflowClient:
    return store.connect(settings["uri"])


@pytest.fixture
def open_mlflow(settings: dict[str, Any]) -> Open:
    return lambda **changes: mlflow_record.open_record(**{**settings, **RUN, **changes})


@pytest.fixture(params=["null", "mlflow"])
def open_any(request: pytest.FixtureRequest) -> Open:
    if request.param == "null":
        return lambda **changes: null_record.open_record(**{**RUN, **changes})
    opened: Open = request.getfixturevalue("open_mlflow")
    return opened


def kept(client: MlflowClient, record: Record) -> Run:
    assert record.run_id is not None
    return client.get_run(record.run_id)


def children(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("tests")
    return list(client.search_runs([experiment.experiment_id]))


# --- every record -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["complete", "pruned", "failed", "interrupted"])
def test_takes_a_run_from_its_beginning_to_any_end(open_any, tmp_path, state):
    record = open_any()
    record.epoch({"train_loss": 1.0, "valid_accuracy": 0.5}, step=1)
    record.epoch({"train_loss": math.nan, "valid_accuracy": 0.6}, step=2)
    record.artifacts(tmp_path / "there is no such folder")
    record.finish(state, None if state == "complete" else "a reason")


def test_ends_without_an_epoch(open_any):
    open_any().finish("failed", "RuntimeError: no memory")


def test_can_be_opened_again_under_its_id(open_any):
    first = open_any()
    first.finish("interrupted", None)
    again = open_any(run_id=first.run_id)
    assert again.run_id == first.run_id
    again.finish("complete", None)


def test_records_of_two_runs_are_two(open_mlflow):
    assert open_mlflow().run_id != open_mlflow().run_id


def test_no_record_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = null_record.open_record(**{**RUN, "run_id": "an earlier one's"})
    record.epoch({"train_loss": 1.0}, step=1)
    record.artifacts(tmp_path)
    record.finish("complete", None)
    assert (record.run_id, record.last_step, vars(record)) == (None, 0, {})
    assert list(tmp_path.iterdir()) == []


# --- what MLflow keeps ------------------------------------------------------------------------------------------------


def test_parameters_read_as_the_command_line_takes_them(open_mlflow, client):
    from omegaconf import OmegaConf

    record = open_mlflow(
        parameters={
            "architecture": "densenet",
            "architecture.block_config": [6, 6, 6],
            "architecture.depth": None,
            "architecture.memory_efficient": True,
            "optimizer.nesterov": False,
            "optimizer.lr": 1e-05,
            "optimizer.betas": (0.9, None, True),
            "data.image_size": OmegaConf.create([1, 2]),
        }
    )
    assert kept(client, record).data.params == {
        "architecture": "densenet",
        "architecture.block_config": "[6,6,6]",
        "architecture.depth": "null",
        "architecture.memory_efficient": "true",
        "optimizer.nesterov": "false",
        "optimizer.lr": "1e-05",
        "optimizer.betas": "[0.9,null,true]",
        "data.image_size": "[1,2]",
    }


def test_more_parameters_and_longer_values_than_one_call_takes(open_mlflow, client):
    record = open_mlflow(parameters={f"p{index}": "x" * 7000 for index in range(201)}, tags={"overrides": "y" * 9000})
    data = kept(client, record).data
    assert len(data.params) == 201
    assert {len(value) for value in data.params.values()} == {6000}
    assert data.tags["overrides"].startswith("y" * 1000)


def test_metrics_are_kept_for_every_step(open_mlflow, client):
    record = open_mlflow()
    for step, loss in enumerate([0.75, math.nan, math.inf, 0.5], start=1):
        record.epoch({"train_loss": loss, "num_parameters": 12}, step=step)
    record.finish("complete", None)
    history = client.get_metric_history(record.run_id, "train_loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4]
    assert history[0].value == 0.75
    assert math.isnan(history[1].value)
    assert history[3].value == 0.5
    assert kept(client, record).data.metrics["num_parameters"] == 12


def test_name_and_tags(open_mlflow, client):
    data = kept(client, open_mlflow(name="trial 3", tags={"trial.number": "3", "git.dirty": "false"})).data
    assert data.tags["mlflow.runName"] == "trial 3"
    assert data.tags["trial.number"] == "3"
    assert data.tags["git.dirty"] == "false"
    assert data.tags["trial.state"] == "running"
    assert "study" not in data.tags


@pytest.mark.parametrize(
    ("state", "status"),
    [("complete", "FINISHED"), ("pruned", "KILLED"), ("failed", "FAILED"), ("interrupted", "KILLED")],
)
def test_the_end_of_a_run(open_mlflow, client, state, status):
    record = open_mlflow()
    assert kept(client, record).info.status == "RUNNING"
    record.finish(state, "after epoch 2 of 9")
    run = kept(client, record)
    assert run.info.status == status
    assert run.info.end_time is not None
    assert run.data.tags["trial.state"] == state
    assert run.data.tags["trial.reason"] == "after epoch 2 of 9"


def test_a_run_is_described_and_what_became_of_it_is_added(open_mlflow, client):
    said = Description("A net.", ["data=digits"], "Elsewhere:", ["tracking.uri=http://me:secret@host"], ["valid_accuracy"])
    record = open_mlflow(description=said, numbers={"num_parameters": 12})
    run = kept(client, record)
    note = run.data.tags["mlflow.note.content"]
    assert "\n\nA net.\n\n" in note
    assert f"densenet-sweep rerun {record.run_id} tracking.uri=http://me:***@host" in note
    assert "densenet-sweep data=digits" in note
    record.epoch({"valid_accuracy": 0.25}, step=1)
    record.epoch({"valid_accuracy": 0.5}, step=2)
    record.finish("pruned", "after epoch 2 of 9")
    assert (
        kept(client, record).data.tags["mlflow.note.content"]
        == f"**Pruned** `after epoch 2 of 9`: valid_accuracy 0.5\n\n{note}"
    )
    # Compared runs are shown by their first metric.
    assert list(kept(client, record).data.metrics.items()) == [("valid_accuracy", 0.5), ("num_parameters", 12)]
    again = open_mlflow(run_id=record.run_id, description=said)
    assert kept(client, again).data.tags["mlflow.note.content"] == note


def test_what_was_known_of_a_run_is_kept_where_it_fails_in_its_first_epoch(open_mlflow, client):
    record = open_mlflow(numbers={"num_parameters": 12})
    record.finish("failed", "out of memory")
    assert kept(client, record).data.metrics == {"num_parameters": 12}


def test_the_data_that_a_run_uses(open_mlflow, client):
    source = {"function": "sources.digits", "root": "data"}
    used = [
        DataUsed("digits", "training", "0123", source, (1437, 1, 8, 8), {"0": 700, "1": 737}),
        DataUsed("digits", "validation", "4567", source, (288, 1, 8, 8), {"0": 144, "1": 144}),
    ]
    first, second = open_mlflow(inputs=lambda: used), open_mlflow(inputs=lambda: used)
    for record in (first, second):
        inputs = kept(client, record).inputs.dataset_inputs
        assert {(it.dataset.name, it.dataset.digest, it.tags[0].key, it.tags[0].value) for it in inputs} == {
            ("digits", "0123", "mlflow.data.context", "training"),
            ("digits", "4567", "mlflow.data.context", "validation"),
        }
        training = next(it.dataset for it in inputs if it.dataset.digest == "0123")
        assert json.loads(training.source) == source
        profile = json.loads(training.profile)
        assert (profile["num_rows"], profile["class_counts"]) == (1437, {"0": 700, "1": 737})
        assert "[-1, 1, 8, 8]" in json.loads(training.schema)["mlflow_tensorspec"]["features"]


def test_an_end_without_a_reason_has_none(open_mlflow, client):
    record = open_mlflow()
    record.finish("complete", None)
    assert "trial.reason" not in kept(client, record).data.tags


def test_a_reason_longer_than_a_tag_takes_still_closes_the_run(open_mlflow, client):
    record = open_mlflow()
    record.finish("failed", "z" * 20_000)
    assert kept(client, record).info.status == "FAILED"


def test_a_continued_run_is_the_same_run_and_no_longer_what_it_had_become(open_mlflow, client):
    first = open_mlflow()
    first.epoch({"loss": 2.0}, step=1)
    first.finish("interrupted", "stopped by the user")
    again = open_mlflow(run_id=first.run_id)
    run = kept(client, again)
    assert run.info.status == "RUNNING"
    assert run.data.tags["trial.state"] == "running"
    assert "trial.reason" not in run.data.tags
    again.epoch({"loss": 1.0}, step=2)
    again.finish("complete", None)
    assert [metric.step for metric in client.get_metric_history(first.run_id, "loss")] == [1, 2]
    assert len(children(client)) == 1
    assert kept(client, again).info.status == "FINISHED"


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_run_that_has_gone_is_begun_anew_and_said_so(open_mlflow, client, caplog, is_deleted):
    gone = "0" * 32
    if is_deleted:
        gone = str(open_mlflow().run_id)
        client.delete_run(gone)
    record = open_mlflow(run_id=gone)
    assert record.run_id not in (None, gone)
    assert f"{gone} is not in this store" in caplog.text


def test_artifacts_keep_their_paths(open_mlflow, client, tmp_path):
    folder = tmp_path / "made"
    (folder / "figures").mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 1\n")
    (folder / "figures" / "confusion.csv").write_text("1,2\n")
    record = open_mlflow()
    record.artifacts(folder)
    uri = kept(client, record).info.artifact_uri
    at = Path(urllib.request.url2pathname(urllib.parse.urlsplit(uri).path))
    assert at.is_relative_to(tmp_path / "artifacts")
    assert (at / "config.yaml").read_text() == "seed: 1\n"
    assert (at / "figures" / "confusion.csv").read_text() == "1,2\n"


def test_a_bucket_stays_a_bucket(settings, client):
    number = store.experiment_id(client, settings["uri"], "elsewhere", "s3://bucket/folder")
    assert client.get_experiment(number).artifact_location == "s3://bucket/folder"


@pytest.mark.parametrize("study", ["growth", "it's", 'say "so"', "100 %", "back\\slash"])
def test_a_trial_is_a_child_of_its_study(open_mlflow, client, study):
    experiment = client.create_experiment("tests")
    client.create_run(experiment, tags={"study": f"{study}2", "role": "study"})
    parent = client.create_run(experiment, tags={"study": study, "role": "study"}).info.run_id
    tags = kept(client, open_mlflow(study_name=study)).data.tags
    assert tags["study"] == study
    assert tags["mlflow.parentRunId"] == parent


def test_a_trial_of_a_study_without_a_parent_stands_alone(open_mlflow, client):
    tags = kept(client, open_mlflow(study_name="orphan")).data.tags
    assert tags["study"] == "orphan"
    assert "mlflow.parentRunId" not in tags


def test_a_run_is_closed_where_its_parameters_are_refused(open_mlflow, client):
    with pytest.raises(ConnectionError, match="cannot be used"):
        open_mlflow(parameters={"a?b": 1})
    (run,) = children(client)
    assert run.info.status == "FAILED"


def test_a_deleted_experiment_is_named(open_mlflow, client):
    client.delete_experiment(client.create_experiment("tests"))
    with pytest.raises(ValueError, match=r"^tracking\.experiment=tests: was deleted in MLflow; restore it"):
        open_mlflow()


def test_system_metrics_of_a_short_run_and_nothing_global(open_mlflow, client, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = mlflow.get_tracking_uri()
    record = open_mlflow(system_metrics=True)
    record.epoch({"loss": 1.0}, step=1)
    record.finish("complete", None)
    run = kept(client, record)
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert next(iter(run.data.metrics)) == "loss"  # on which MLflow's page of compared runs opens
    assert run.info.status == "FINISHED"
    assert mlflow.get_tracking_uri() == before


# --- a store that fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mlruns", r"^tracking\.uri=mlruns: a database \(sqlite:///.*refuse a plain folder$"),
        ("/data/mlruns", r"refuse a plain folder$"),
        ("file:///data/mlruns", r"refuse a plain folder$"),
        ("", r"refuse a plain folder$"),
        ("ftp://host/x", r"or a server \(http://\.\.\.\) is accepted$"),
        ("http:", r"is accepted$"),
        ("sqlite://mlflow.db", r"a file is given after three slashes"),
        ("sqlite:///", r"a file is given after three slashes"),
        ("oracle://me:secret@host/db", r"^tracking\.uri=oracle://me:\*\*\*@host/db: "),
    ],
)
def test_what_is_no_store_is_refused_whatever_is_required(open_mlflow, uri, message):
    with pytest.raises(ValueError, match=message):
        open_mlflow(uri=uri, required=False)


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///mlruns/mlflow.db", "sqlite:////tmp/x.db", "postgresql+psycopg://host/db", "https://host", "http://host:5000/a"],
)
def test_stores_are_accepted(uri):
    store.check_uri(uri)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("http://me:sec:r@t@host:5000", "http://me:***@host:5000"),
        ("connecting to mysql+pymysql://me:secret@host/db failed", "connecting to mysql+pymysql://me:***@host/db failed"),
        ("http://127.0.0.1:5000/a", "http://127.0.0.1:5000/a"),
        ("sqlite:////tmp/a:b@c.db", "sqlite:////tmp/a:b@c.db"),
    ],
)
def test_passwords_are_not_shown(text, shown):
    assert store.redacted(text) == shown


def test_a_file_that_is_no_database(open_mlflow, tmp_path, caplog):
    (tmp_path / "notes.db").write_text("not a database, and not empty either\n" * 99)
    uri = f"sqlite:///{tmp_path}/notes.db"
    with pytest.raises(
        ConnectionError, match=r"notes\.db: cannot be used \(.*not a database.*\); tracking\.required=false"
    ) as caught:
        open_mlflow(uri=uri)
    assert "\n" not in str(caught.value)
    record = open_mlflow(uri=uri, required=False)
    assert record.run_id is None
    warned = [line for line in caplog.records if line.name == "densenet_sweep" and line.levelno == logging.WARNING]
    assert len(warned) == 1
    assert warned[0].getMessage().endswith("; training continues")


def test_a_folder_that_cannot_be_made(open_mlflow, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConnectionError, match=r"cannot be used \(Not a directory\)|cannot be used \(File exists\)"):
        open_mlflow(uri=f"sqlite:///{tmp_path}/file/mlflow.db")


class Flaky:
    """A client whose calls fail while `is_away`; counts the calls that reach it."""

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self.is_away = False
        self.calls: list[str] = []
        self.batch_sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if self.is_away:
                raise MlflowException("the store is away\nand says so at length")
            self.batch_sizes.append(len(named.get("metrics", ())))
            return getattr(self.client, name)(*arguments, **named)

        return call


@pytest.fixture
def flaky(open_mlflow, client, tmp_path) -> Callable[..., tuple[mlflow_record.MlflowRecord, Flaky]]:
    def opened(*, required: bool) -> tuple[mlflow_record.MlflowRecord, Flaky]:
        away = Flaky(client)
        record = open_mlflow(required=required, folder=tmp_path / "run")
        record._store._client = away
        record._store.uri = "http://away"
        return record, away

    return opened


def test_a_lost_store_costs_one_warning_and_little_time(flaky, client, caplog, monkeypatch, tmp_path):
    record, away = flaky(required=False)
    clock = [100.0]
    monkeypatch.setattr(mlflow_record.time, "monotonic", lambda: clock[0])
    record.epoch({"loss": 3.0}, step=1)
    away.is_away = True
    monkeypatch.setattr(Flaky, "__getattr__", _slowly(Flaky.__getattr__, clock, seconds=2.0))
    away.calls.clear()
    record.epoch({"loss": 2.0}, step=2)  # until 102; the next attempt is due at 120
    clock[0] = 119.0
    record.epoch({"loss": 1.0}, step=3)
    assert away.calls == ["log_batch"]
    assert (tmp_path / "run" / "mlflow_outbox.json").is_file()
    clock[0] = 121.0
    record.epoch({"loss": 0.5}, step=4)
    assert away.calls == ["log_batch", "log_batch"]
    assert [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING] == [
        "tracking.uri=http://away: lost (the store is away); training continues"
    ]
    away.is_away = False
    record.finish("complete", None)
    assert [metric.value for metric in client.get_metric_history(record.run_id, "loss")] == [3.0, 2.0, 1.0, 0.5]
    assert kept(client, record).info.status == "FINISHED"
    assert sum(line.levelno == logging.WARNING for line in caplog.records) == 1
    assert not list((tmp_path / "run").iterdir())


def test_a_full_disk_below_a_lost_store_costs_one_more_line_and_no_trial(flaky, client, caplog, monkeypatch, tmp_path):
    record, away = flaky(required=False)
    record.epoch({"loss": 3.0}, step=1)
    write = Path.write_text

    def full(path: Path, *arguments: Any, **named: Any) -> int:
        if "mlflow_outbox" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", full)
    away.is_away = True
    for step in (2, 3, 4):
        record.epoch({"loss": 1.0 / step}, step=step)
        record._rests_until = 0.0
    assert [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING] == [
        f"{tmp_path}/run/mlflow_outbox.json: not written (No space left on device)",
        "tracking.uri=http://away: lost (the store is away); training continues",
    ]
    away.is_away = False
    record.finish("complete", None)  # what the disk had no room for was kept in memory
    assert [metric.value for metric in client.get_metric_history(record.run_id, "loss")] == [3.0, 1 / 2, 1 / 3, 1 / 4]
    assert kept(client, record).info.status == "FINISHED"
    assert not list((tmp_path / "run").iterdir())


def test_a_run_whose_store_and_disk_fail_to_its_end_says_what_is_missing(flaky, caplog, monkeypatch):
    record, away = flaky(required=False)
    away.is_away = True

    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    record.epoch({"loss": 3.0}, step=1)
    record.finish("complete", None)
    assert caplog.messages[-1] == "tracking.uri=http://away: what was not delivered of the run is missing there"


def _slowly(get: Callable[..., Any], clock: list[float], *, seconds: float) -> Callable[..., Any]:
    def slow_get(self: Flaky, name: str) -> Any:
        call = get(self, name)

        def slow(*arguments: Any, **named: Any) -> Any:
            clock[0] += seconds
            return call(*arguments, **named)

        return slow

    return slow_get


def test_a_long_outage_is_sent_in_calls_that_mlflow_takes(flaky, client):
    record, away = flaky(required=False)
    away.is_away = True
    record._rests_until = math.inf
    for step in range(1, 251):
        record.epoch({f"metric{index}": float(step) for index in range(9)}, step=step)
    away.is_away = False
    record.finish("complete", None)
    assert max(away.batch_sizes) == 900  # and the last call also takes the tags of the end
    assert len(client.get_metric_history(record.run_id, "metric8")) == 250


def test_short_epochs_share_a_call_and_take_a_hundredth_of_the_time(flaky, client, monkeypatch):
    record, store_of_it = flaky(required=True)
    clock = [100.0]
    monkeypatch.setattr(mlflow_record.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(Flaky, "__getattr__", _slowly(Flaky.__getattr__, clock, seconds=0.1))
    for step in range(1, 31):  # a second each
        clock[0] += 1.0
        record.epoch({"loss": 1.0 / step}, step=step)
    assert store_of_it.calls == ["log_batch"] * 3  # 0.1 s each, and 9.9 s of rest
    record.finish("complete", None)
    assert sorted(metric.step for metric in client.get_metric_history(record.run_id, "loss")) == list(range(1, 31))


def test_a_continued_run_knows_what_has_arrived(open_mlflow):
    killed = open_mlflow(numbers={"num_parameters": 12})
    assert killed.last_step == 0
    killed.epoch({"loss": 2.0}, step=1)
    killed.epoch({"loss": 1.0}, step=2)  # waits for a later call, which does not come
    assert open_mlflow(run_id=killed.run_id).last_step == 1
    assert open_mlflow(run_id="0" * 32).last_step == 0


def test_a_step_is_recorded_once_however_often_it_is_trained(open_mlflow, client):
    killed = open_mlflow(numbers={"num_parameters": 12})
    killed.epoch({"loss": 2.0, "seconds": 1.0}, step=1)
    killed.epoch({"loss": 1.0, "seconds": 1.0}, step=2)  # waits for a later call, which does not come
    again = open_mlflow(run_id=killed.run_id)
    for step, loss in ((1, 2.0), (2, 1.0), (3, 0.5)):
        again.epoch({"loss": loss, "seconds": 9.0}, step=step)
        again.epoch({"loss": loss, "seconds": 9.0}, step=step)
    again.finish("complete", None)
    for name, values in (("loss", [2.0, 1.0, 0.5]), ("seconds", [1.0, 9.0, 9.0])):
        history = client.get_metric_history(killed.run_id, name)
        assert [(metric.step, metric.value) for metric in history] == list(enumerate(values, start=1))


def left_in_its_folder(flaky: Any, caplog: pytest.LogCaptureFixture, folder: Path) -> tuple[str, Flaky]:
    """Leave a run whose store is away to its end, and return its id."""
    record, away = flaky(required=False)
    record.epoch({"loss": 2.0}, step=1)
    away.is_away = True
    record._rests_until = 0.0
    record.epoch({"loss": 1.0}, step=2)
    (folder / "artifacts").mkdir(parents=True)
    (folder / "artifacts" / "config.yaml").write_text("seed: 1\n")
    record.artifacts(folder / "artifacts")
    record.finish("complete", None)
    assert [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING] == [
        "tracking.uri=http://away: lost (the store is away); training continues",
        f"tracking.uri=http://away: still away; {folder}/mlflow_outbox.json keeps what is missing there until it is back",
    ]
    return str(record.run_id), away


def send_left(client: MlflowClient, settings: dict[str, Any], folder: Path) -> None:
    number = store.experiment_id(client, settings["uri"], "tests", settings["artifact_location"])
    left_behind.send_trials(client, number, settings["uri"], "tests", folder, {})


def test_what_could_not_be_sent_is_kept_and_sent_by_another(flaky, client, caplog, tmp_path, settings):
    run_id, _ = left_in_its_folder(flaky, caplog, tmp_path / "run")
    ended = outbox.read(tmp_path / "run").end.time
    for _ in range(2):  # the second time there is nothing to do
        send_left(client, settings, tmp_path)
        run = client.get_run(run_id)
        assert (run.info.status, run.data.tags["trial.state"], run.info.end_time) == ("FINISHED", "complete", ended)
        assert [metric.value for metric in client.get_metric_history(run_id, "loss")] == [2.0, 1.0]
        assert [file.path for file in client.list_artifacts(run_id)] == ["config.yaml"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["artifacts"]
    assert len(children(client)) == 1


def test_an_outbox_for_another_store_is_left_alone(flaky, client, caplog, tmp_path, settings):
    left_in_its_folder(flaky, caplog, tmp_path / "run")
    number = store.experiment_id(client, settings["uri"], "tests", settings["artifact_location"])
    for uri, experiment in (("http://another", "tests"), (settings["uri"], "another")):
        left_behind.send_trials(client, number, uri, experiment, tmp_path, {})
    assert (tmp_path / "run" / "mlflow_outbox.json").is_file()


def test_a_run_whose_process_was_killed_is_sent_with_what_the_study_says_of_it(flaky, client, tmp_path, settings):
    record, away = flaky(required=False)
    away.is_away = True
    record.epoch({"loss": 2.0}, step=1)
    (tmp_path / "run").rename(tmp_path / "3")
    send_left(client, settings, tmp_path)
    assert (tmp_path / "3" / "mlflow_outbox.json").is_file()  # whoever continues the trial sends it
    number = store.experiment_id(client, settings["uri"], "tests", settings["artifact_location"])
    left_behind.send_trials(client, number, settings["uri"], "tests", tmp_path, {3: ("failed", "its worker died 3 times")})
    run = client.get_run(record.run_id)
    assert (run.info.status, run.data.tags["trial.reason"]) == ("FAILED", "its worker died 3 times")
    assert run.data.metrics == {"loss": 2.0}


def test_a_store_that_is_away_from_the_beginning_gets_the_run_when_it_is_back(open_mlflow, client, tmp_path, monkeypatch):
    def away(_: str) -> MlflowClient:
        raise ConnectionRefusedError(111, "Connection refused")

    said = Description("A net.", ["data=digits"], "Elsewhere:", [], ["loss"])
    used = DataUsed("digits", "training", "0123", {}, (9, 1, 8, 8), {"0": 9})
    with monkeypatch.context() as patched:
        patched.setattr(mlflow_record, "connect", away)
        record = open_mlflow(required=False, folder=tmp_path, description=said, inputs=lambda: [used])
        assert record.run_id is None
        record.epoch({"loss": 2.0}, step=1)
    assert outbox.read(tmp_path).parameters == {"architecture": "d2l", "optimizer.lr": "0.1"}
    record._rests_until = 0.0
    record.epoch({"loss": 1.0}, step=2)
    assert not (tmp_path / "mlflow_outbox.json").exists()
    record.finish("complete", None)
    run = kept(client, record)
    assert run.data.params == {"architecture": "d2l", "optimizer.lr": "0.1"}
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123"
    assert f"densenet-sweep rerun {record.run_id}" in run.data.tags["mlflow.note.content"]
    assert [metric.step for metric in client.get_metric_history(record.run_id, "loss")] == [1, 2]
    assert (run.info.status, len(children(client))) == ("FINISHED", 1)


def test_a_run_whose_beginning_was_answered_to_nobody_is_not_begun_twice(open_mlflow):
    died = open_mlflow(key="0123")
    died.epoch({"loss": 2.0}, step=1)
    again = open_mlflow(key="0123", may_exist=True)
    assert (again.run_id, again.last_step) == (died.run_id, 1)


def test_what_the_store_refuses_is_set_aside(flaky, client, caplog, tmp_path, settings):
    left_in_its_folder(flaky, caplog, tmp_path / "run")
    kept_there = outbox.read(tmp_path / "run")
    kept_there.parameters["a?b"] = "1"
    kept_there.save(tmp_path / "run")
    send_left(client, settings, tmp_path)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"artifacts", "mlflow_outbox.refused"}


def test_a_damaged_outbox_is_said_and_left(client, caplog, tmp_path, settings):
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "mlflow_outbox.json").write_text('{"store": ')
    send_left(client, settings, tmp_path)
    assert "3/mlflow_outbox.json: cannot be read" in caplog.text


def test_a_required_store_that_is_lost_is_an_error_in_one_line(flaky):
    record, away = flaky(required=True)
    away.is_away = True
    message = r"^tracking\.uri=http://away: lost \(the store is away\); tracking\.required=false trains on without it$"
    with pytest.raises(ConnectionError, match=message):
        record.epoch({"loss": 1.0}, step=1)
    with pytest.raises(ConnectionError, match=message):
        record.finish("complete", None)


# --- several processes ------------------------------------------------------------------------------------------------

_RECORD_ONE_RUN = """
import sys
from densenet_sweep.tracking.mlflow_record import open_record
record = open_record(
    uri="sqlite:///mlruns/mlflow.db", artifact_location="mlruns/artifacts", experiment="tests", required=True,
    system_metrics=False, name=sys.argv[1], parameters={"a": 1}, tags={}, study_name=None, run_id=None,
)
record.epoch({"loss": 1.0}, step=1)
record.finish("complete", None)
"""


def test_two_processes_open_a_fresh_store_at_once(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RECORD_ONE_RUN, name],
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name in ("one", "two")
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "alembic" not in "".join(outputs)
    client = store.connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    runs = children(client)
    assert {run.info.run_name for run in runs} == {"one", "two"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.info.artifact_uri.startswith((tmp_path / "mlruns" / "artifacts").as_uri()) for run in runs)


def test_a_relative_store_is_where_it_was_opened(open_mlflow, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(tmp_path / "mlflow.db", tmp_path / name / "mlflow.db")
        monkeypatch.chdir(tmp_path / name)
        record = open_mlflow(uri="sqlite:///mlflow.db?timeout=30", system_metrics=True)
        record.epoch({"loss": 1.0}, step=1)
        record.finish("complete", None)
    for name in ("one", "two"):
        (run,) = children(store.connect(f"sqlite:///{tmp_path}/{name}/mlflow.db"))
        assert "system/cpu_utilization_percentage" in run.data.metrics


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///a/b.db?timeout=3", "sqlite:///{here}/a/b.db?timeout=3"),
        ("sqlite+pysqlite:////a/b.db", "sqlite+pysqlite:////a/b.db"),
        ("http://host", "http://host"),
    ],
)
def test_absolute_uris(tmp_path, monkeypatch, uri, expected):
    monkeypatch.chdir(tmp_path)
    assert store.absolute(uri) == expected.format(here=tmp_path)


def test_a_project_whose_path_has_what_a_uri_gives_a_meaning(tmp_path, monkeypatch):
    project = tmp_path / "100%25 of a?b #ü{x}'&"
    project.mkdir()
    monkeypatch.chdir(project)
    client = store.connect("sqlite:///mlruns/mlflow.db?timeout=30")
    experiment = store.experiment_id(client, "sqlite:///mlruns/mlflow.db", "odd", "mlruns/artifacts")
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "hello", "text.txt")
    assert (project / "mlruns" / "mlflow.db").stat().st_size > 0
    assert [path.name for path in (project / "mlruns" / "artifacts").rglob("*.txt")] == ["text.txt"]
    assert list(tmp_path.iterdir()) == [project]


def test_a_cause_that_chains_to_itself_ends():
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__context__, second.__context__ = second, first
    assert store.cause(first) == "first"
