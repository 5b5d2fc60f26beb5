"""What every record promises, and what MLflow's keeps of a run: on sqlite, in a temporary folder."""

import json
import logging
import math
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import mlflow.tracking.client
import pytest
from recorded_runs import RUN, children, kept

from densenet_sweep.tracking import null_record, store
from densenet_sweep.tracking.record import DataUsed
from densenet_sweep.tracking.run_note import Description

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
