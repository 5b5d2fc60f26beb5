"""`compare` and `status` from where a sweep ran, from where only its MLflow server is known, and with stores that fail."""

import csv
import http.server
import io
import json
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

# Complete trials of two optimizers, one of which has a momentum; one trial that diverges, and one of a network that is too big.
SWEEP = """
# @package _global_
defaults:
  - growth_depth_lr
  - override /data: digits
  - _self_
epochs: 2
device: cpu
limits: {num_parameters: 50000}
tracking: {system_metrics: false}
hydra:
  sweeper:
    study_name: small
    n_trials: 3
    max_failure_rate: 1
    params:
      architecture.growth_rate: choice(4,40)
      architecture.depth: "10"
      optimizer: choice(sgd,nesterov)
      optimizer.lr: tag(log,interval(0.01,1e30))
      optimizer.momentum: {search: "interval(0.5,0.95)", when: {optimizer: nesterov}}
    enqueue:
      - {architecture.growth_rate: 4, optimizer: sgd, optimizer.lr: 0.1}
      - {architecture.growth_rate: 4, optimizer: sgd, optimizer.lr: 1.0e+30}
      - {architecture.growth_rate: 40, optimizer: sgd, optimizer.lr: 0.1}
      - {architecture.growth_rate: 4, optimizer: nesterov, optimizer.momentum: 0.75, optimizer.lr: 0.1}
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory, the_server, commands) -> Path:
    """The folder in which a small sweep ran that recorded to the server: complete, failed and infeasible trials."""
    the_server.start()
    folder = tmp_path_factory.mktemp("swept")
    (folder / "conf" / "sweep").mkdir(parents=True)
    (folder / "conf" / "sweep" / "small.yaml").write_text(SWEEP)
    overrides = ["sweep=small", "hydra/launcher=basic", "hydra/sweeper/pruner=none", f"tracking.uri={the_server.uri}"]
    exit_code, output = commands.run(folder, "--config-dir", "conf", *overrides)
    assert exit_code == 0, output
    return folder


@pytest.fixture
def gone(swept) -> Iterator[Path]:
    """The same after its folder has gone from this machine."""
    there, away = swept / "outputs", swept / "away"
    there.rename(away)
    yield swept
    away.rename(there)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_from_the_server_alone_the_leaderboard_is_the_same(command, swept, server, monkeypatch):
    elsewhere = Path.cwd()
    monkeypatch.chdir(swept)
    here = command("compare", "small", "--format", "csv")
    assert here.exit_code == 0, here.err
    monkeypatch.chdir(elsewhere)
    (swept / "outputs").rename(swept / "away")
    try:
        there = command("compare", "small", "--format", "csv", f"tracking.uri={server.uri}")
        table = command("compare", "small", f"tracking.uri={server.uri}")
    finally:
        (swept / "away").rename(swept / "outputs")
    assert there.exit_code == 0, there.err
    assert rows(there.out) == rows(here.out)
    assert {row["state"] for row in rows(there.out)} == {"complete", "failed", "too big"}
    assert {row["optimizer.momentum"] for row in rows(there.out)} == {"", "0.75"}
    assert f"{swept}/outputs/sweeps/small/study.journal is not on this machine" in " ".join(table.out.split())
    assert "failed: training diverged: the loss is" in " ".join(table.out.split())


@pytest.mark.usefixtures("swept")
def test_where_the_sweeps_folder_is_shared_nothing_is_missing(command, server):
    typed = command("compare", "small", "--format", "json", f"tracking.uri={server.uri}")
    [study] = json.loads(typed.out)
    assert study["origin"] is None
    assert study["summary"]["states"] == {"complete": 2, "pruned": 1, "failed": 1}


@pytest.mark.usefixtures("gone")
def test_status_from_the_server_alone(command, server):
    typed = command("status", f"tracking.uri={server.uri}", "small")
    assert typed.exit_code == 0, typed.err
    assert "study small" in typed.out
    assert "3 of 3 finished: 2 complete, 1 pruned, 1 failed, 0 running" in typed.out
    assert "Read from the runs in MLflow" in typed.out


@pytest.mark.usefixtures("gone")
def test_the_report_has_the_mistakes_that_mlflow_keeps(command, server, tmp_path):
    typed = command("compare", "small", "--html", "report.html", f"tracking.uri={server.uri}")
    assert typed.exit_code == 0, typed.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"What trial \d got wrong: validation pictures</h3>", page)


def test_a_metric_that_was_logged(command, swept, server, monkeypatch):
    monkeypatch.chdir(swept)
    typed = command("compare", "--metric", "train_loss", "--format", "csv", f"tracking.uri={server.uri}")
    assert typed.exit_code == 0, typed.err
    values = [row["metrics.train_loss"] for row in rows(typed.out)]
    complete = [float(value) for value, row in zip(values, rows(typed.out), strict=True) if row["state"] == "complete"]
    assert len(complete) == 2
    assert complete == sorted(complete)
    assert values[-1] == ""  # the failed one had none
    fast = command("compare", "--metric", "images_per_second", "--top", "1", f"tracking.uri={server.uri}")
    assert "study small by images_per_second, the largest first" in fast.out


def test_a_metric_that_was_never_logged_lists_those_that_were(command, swept, server, monkeypatch):
    monkeypatch.chdir(swept)
    typed = command("compare", "--metric", "f1", f"tracking.uri={server.uri}")
    assert (typed.exit_code, typed.out) == (1, "")
    assert typed.err.startswith("densenet-sweep: error: --metric f1: was never logged by the study small; there are ")
    assert "images_per_second" in typed.err
    assert "valid_loss" in typed.err
    assert typed.err.count("\n") == 1


@pytest.mark.usefixtures("swept")
def test_what_is_no_study(command, server):
    client = server.client()
    [experiment] = [it for it in client.search_experiments() if it.name == "densenet_sweep"]
    other = client.create_run(experiment.experiment_id).info.run_id
    [trial] = client.search_runs([experiment.experiment_id], "tags.`trial.number` = '0'")
    for name, message in (
        ("smal", "smal: no such study; did you mean small?; there are small"),
        (other, f"{other}: a run of no study; the name of a study is accepted"),
        (trial.info.run_id, f"{trial.info.run_id}: a run of study small; the name of a study is accepted"),
        ("0" * 32, f"{'0' * 32}: no such study; there are small"),
    ):
        for what in ("compare", "status"):
            typed = command(what, name, f"tracking.uri={server.uri}")
            assert (typed.exit_code, typed.out, typed.err) == (1, "", f"densenet-sweep: error: {message}\n")


@pytest.fixture
def failing_uri() -> Iterator[str]:
    """A server that answers 500 to everything."""

    class Failing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500, "out of order")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_fails_in_one_line(command, failing_uri, tmp_path):
    typed = command("compare", "mine", f"tracking.uri={failing_uri}")
    assert (typed.exit_code, typed.out) == (1, "")
    assert typed.err == (
        f"densenet-sweep: error: mine: no such study in {tmp_path}/outputs (there are none), and tracking.uri={failing_uri}: "
        "cannot be used (it answers with status 500)\n"
    )


def test_a_store_of_a_newer_mlflow_in_one_line(command, tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "newer.db")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    typed = command("compare", f"tracking.uri=sqlite:///{tmp_path}/newer.db")
    assert (typed.exit_code, typed.out) == (1, "")
    message = f"and tracking.uri=sqlite:///{tmp_path}/newer.db: cannot be used (it was written by a newer MLflow than"
    assert message in typed.err
    assert typed.err.endswith("; pip install --upgrade mlflow)\n")
    assert typed.err.count("\n") == 1
