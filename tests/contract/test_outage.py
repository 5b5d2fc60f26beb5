"""What becomes of a run whose MLflow store is away for a while, or to its end."""

import errno
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from recorded_runs import children, kept

from densenet_sweep.tracking import left_behind, mlflow_record, outbox, store
from densenet_sweep.tracking.record import DataUsed
from densenet_sweep.tracking.run_note import Description


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
    def opened(*, required: bool, **changes: Any) -> tuple[mlflow_record.MlflowRecord, Flaky]:
        away = Flaky(client)
        record = open_mlflow(required=required, folder=tmp_path / "run", **changes)
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
    record.epoch({"loss": 3.0}, step=1)  # there was room for this
    record._rests_until = 0.0

    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    record.epoch({"loss": 2.0}, step=2)
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
    left_behind.send_trials(client, number, settings["uri"], "tests", folder, "${hydra.job.num}", {})


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
        left_behind.send_trials(client, number, uri, experiment, tmp_path, "${hydra.job.num}", {})
    assert (tmp_path / "run" / "mlflow_outbox.json").is_file()


def test_a_run_whose_process_was_killed_is_sent_with_what_the_study_says_of_it(flaky, client, tmp_path, settings):
    record, away = flaky(required=False, tags={"trial.number": "3"})
    away.is_away = True
    record.epoch({"loss": 2.0}, step=1)
    (tmp_path / "run").rename(tmp_path / "3")
    send_left(client, settings, tmp_path)
    assert (tmp_path / "3" / "mlflow_outbox.json").is_file()  # whoever continues the trial sends it
    number = store.experiment_id(client, settings["uri"], "tests", settings["artifact_location"])
    dead = {3: ("failed", "its worker died 3 times")}
    assert left_behind.waiting(tmp_path, "${hydra.job.num}") == [3]
    left_behind.send_trials(client, number, settings["uri"], "tests", tmp_path, "${hydra.job.num}", dead)
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
