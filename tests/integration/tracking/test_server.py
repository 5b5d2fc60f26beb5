"""Recording to a real MLflow server, before, while and after it is dead."""

import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from densenet_sweep.tracking import mlflow_record
from densenet_sweep.tracking.mlflow_record import open_record
from densenet_sweep.tracking.record import Record

# What a training may lose at its end to a server that is gone.
_PATIENCE_SECONDS = 10.0

# What the system says of a server that was killed: the connection that was open may be reset first.
_GONE = "(Connection refused|Connection reset by peer|it closed the connection)"


def opened(uri: str, **changes: Any) -> Record:
    settings: dict[str, Any] = {
        "artifact_location": "unused",
        "experiment": "tests",
        "required": False,
        "system_metrics": False,
        "name": "a run",
        "parameters": {"optimizer.lr": 0.1},
        "tags": {"host": "here"},
        "study_name": None,
        "run_id": None,
    }
    return open_record(uri=uri, **{**settings, **changes})


@pytest.fixture(autouse=True)
def _each_epoch_is_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", 0)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    return lambda: [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]


@pytest.fixture
def dead_uri() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def mute_uri() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def made(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 1\n")
    (folder / "best.pt").write_bytes(bytes(100_000))
    return folder


def test_a_run_is_recorded(server, tmp_path, warnings):
    record = opened(server.uri, required=True, system_metrics=True)
    record.epoch({"loss": 1.0}, step=1)
    record.artifacts(made(tmp_path / "made"))
    record.finish("complete", None)
    client = server.client()
    run = client.get_run(record.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"optimizer.lr": "0.1"}
    assert run.data.metrics["loss"] == 1.0
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert {file.path for file in client.list_artifacts(record.run_id)} == {"config.yaml", "best.pt"}
    assert warnings() == []


def test_a_server_that_dies_and_comes_back_costs_one_warning_and_no_metric(server, tmp_path, warnings):
    record = opened(server.uri)
    record.epoch({"loss": 4.0}, step=1)
    server.kill()
    began = time.monotonic()
    record.epoch({"loss": 3.0}, step=2)
    record.epoch({"loss": 2.0}, step=3)
    assert time.monotonic() - began < _PATIENCE_SECONDS
    [warning] = warnings()
    assert re.fullmatch(rf"tracking\.uri={server.uri}: lost \({_GONE}\); training continues", warning)
    server.start()
    record.epoch({"loss": 1.0}, step=4)
    record.artifacts(made(tmp_path / "made"))
    record.finish("complete", None)
    client = server.client()
    history = client.get_metric_history(record.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]
    assert client.get_run(record.run_id).info.status == "FINISHED"
    assert len(client.list_artifacts(record.run_id)) == 2
    assert len(warnings()) == 1


def test_a_server_that_stays_dead(server, tmp_path, warnings):
    record = opened(server.uri, system_metrics=True, folder=tmp_path / "run")
    needed = opened(server.uri, required=True)
    record.epoch({"loss": 2.0}, step=1)
    needed.epoch({"loss": 2.0}, step=1)
    server.kill()
    message = rf"^tracking\.uri={server.uri}: lost \({_GONE}\); tracking\.required=false trains on"
    with pytest.raises(ConnectionError, match=message):
        needed.epoch({"loss": 1.0}, step=2)
    began = time.monotonic()
    record.epoch({"loss": 1.0}, step=2)
    record.artifacts(made(tmp_path / "made"))
    record.finish("complete", None)
    assert time.monotonic() - began < _PATIENCE_SECONDS
    lost, away = warnings()
    assert re.fullmatch(rf"tracking\.uri={server.uri}: lost \({_GONE}\); training continues", lost)
    assert away == (
        f"tracking.uri={server.uri}: still away; {tmp_path}/run/mlflow_outbox.json keeps what is missing there until it is back"
    )


def test_a_server_that_is_dead_from_the_beginning(dead_uri, warnings):
    record = opened(dead_uri)
    assert record.run_id is None
    assert warnings() == [f"tracking.uri={dead_uri}: cannot be used (Connection refused); training continues"]
    message = r": cannot be used \(Connection refused\); tracking\.required=false trains without it$"
    with pytest.raises(ConnectionError, match=message):
        opened(dead_uri, required=True)


def test_a_server_that_does_not_answer_is_not_waited_for_long(mute_uri, warnings, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    began = time.monotonic()
    assert opened(mute_uri).run_id is None
    assert time.monotonic() - began < _PATIENCE_SECONDS
    assert warnings() == [f"tracking.uri={mute_uri}: cannot be used (no answer); training continues"]
