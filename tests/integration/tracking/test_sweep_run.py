"""The parent run of a sweep, as the engine's events make it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.events import Outcome
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from small_runs import SUBDIR

from densenet_sweep.callbacks.sweep_run import SweepRun
from densenet_sweep.tracking import outbox, run_note, store
from densenet_sweep.tracking.study_runs import StudyRuns

STUDY = "it's a study"
COMMAND = "densenet-sweep sweep=growth_depth_lr data=digits tracking.uri=http://me:hunter2@host"


@pytest.fixture
def config(tracking: dict[str, Any]) -> DictConfig:
    return OmegaConf.create(
        {
            "tracking": tracking,
            "objective": "valid_accuracy",
            "hydra": {
                "sweep": SUBDIR,
                "sweeper": {"params": {"optimizer.lr": "tag(log,interval(0.01,1))"}, "n_trials": 3, "direction": "maximize"},
                "overrides": {"task": ["data=digits", "epochs=2"]},
            },
        }
    )


def runs(client: MlflowClient, role: str = "study") -> list[Run]:
    experiment = client.get_experiment_by_name("tests")
    if experiment is None:
        return []
    found = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    return [run for run in found if run.data.tags.get("role", "trial") == role]


def begun(config: DictConfig, number: int) -> Any:
    """A trial's record, as the training opens it."""
    return instantiate(
        config.tracking,
        name=f"trial {number}",
        parameters={"optimizer.lr": 0.1},
        tags={"trial.number": str(number)},
        study_name=STUDY,
        run_id=None,
    )


def opened(config: DictConfig, folder: Path, study: str = STUDY) -> SweepRun:
    callback = SweepRun()
    callback.on_study_open(config=config, study_name=study, sweep_dir=str(folder), command=COMMAND)
    return callback


def ended(
    callback: SweepRun,
    config: DictConfig,
    folder: Path,
    reason: str,
    outcome: Outcome = "finished",
    *,
    states: Any = None,
    best: Sequence[int] = (),
) -> None:
    event_arguments = {"sweep_dir": str(folder), "reason": reason, "outcome": outcome, "states": states or {}, "best": best}
    callback.on_study_end(config=config, study_name=STUDY, **event_arguments)


def test_the_parent_says_what_is_swept(config, client, tmp_path):
    opened(config, tmp_path)
    (parent,) = runs(client)
    assert parent.info.status == "RUNNING"
    assert parent.info.run_name == STUDY
    assert parent.data.params == {"optimizer.lr": "tag(log,interval(0.01,1))"}
    assert parent.data.tags["sweep.dir"] == str(tmp_path)
    assert parent.data.tags["overrides"] == "data=digits epochs=2"
    assert parent.data.tags["n_trials"] == "3"
    note = parent.data.tags["mlflow.note.content"]
    assert "Study `it's a study`: 3 trials, to maximize `valid_accuracy`." in note
    assert "| `optimizer.lr` | `tag(log,interval(0.01,1))` |" in note
    assert "densenet-sweep sweep=growth_depth_lr data=digits tracking.uri=http://me:***@host" in note


def test_no_password_that_was_typed_is_kept(config, client, tmp_path):
    config.hydra.overrides.task.append("tracking.uri=http://me:hunter2@host")
    ended(opened(config, tmp_path), config, tmp_path, "ConnectionError: http://me:hunter2@host", "failed")
    assert "hunter2" not in str(runs(client)[0].data.tags)


def test_the_command_line_says_better_than_the_config_what_is_searched(config, client, tmp_path):
    config.hydra.sweeper.params = {
        "optimizer.lr": "interval(0,1)",
        "architecture.depth": "choice(10,16)",
        "+extra": "choice(1,2)",
    }
    config.hydra.overrides.task = ["architecture.depth=choice(4,6)", "optimizer.lr=0.1", "epochs=2", "seed=range(1,3)"]
    opened(config, tmp_path)
    assert runs(client)[0].data.params == {
        "optimizer.lr": "0.1",
        "architecture.depth": "choice(4,6)",
        "extra": "choice(1,2)",
        "seed": "range(1,3)",
    }
    assert "optimizer.lr" not in runs(client)[0].data.tags["mlflow.note.content"]  # is no longer searched


def test_what_was_typed_is_kept_unresolved(config, client, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_SECRET", "hunter2")
    config.hydra.overrides.task.append("data.root=${oc.env:TEST_SECRET}")
    opened(config, tmp_path)
    assert runs(client)[0].data.tags["overrides"] == "data=digits epochs=2 data.root=${oc.env:TEST_SECRET}"


def test_a_continued_study_keeps_its_parent(config, client, tmp_path):
    ended(opened(config, tmp_path), config, tmp_path, "interrupted", "interrupted")
    (parent,) = runs(client)
    assert parent.info.status == "KILLED"
    assert parent.data.tags["sweep.ended"] == "interrupted"
    config.hydra.sweeper.n_trials = 9
    callback = opened(config, tmp_path)
    (again,) = runs(client)
    assert again.info.run_id == parent.info.run_id
    assert again.info.status == "RUNNING"
    assert again.data.tags["n_trials"] == "9"
    ended(callback, config, tmp_path, "9 of 9 trials are finished")
    assert runs(client)[0].info.status == "FINISHED"


@pytest.mark.parametrize(
    ("reason", "outcome", "status"),
    [
        ("3 of 3 trials are finished", "finished", "FINISHED"),
        ("12 trials failed, as many as may finish", "finished", "FINISHED"),
        ("interrupted", "interrupted", "KILLED"),
        ("3 of 5 trials failed (hydra.sweeper.max_failure_rate=0.5)", "failed", "FAILED"),
    ],
)
def test_the_end_of_a_sweep(config, client, tmp_path, reason, outcome, status):
    ended(opened(config, tmp_path), config, tmp_path, reason, outcome)
    (parent,) = runs(client)
    assert parent.info.status == status
    assert parent.data.tags["sweep.ended"] == reason


def test_two_studies_have_two_parents(config, client, tmp_path):
    opened(config, tmp_path)
    opened(config, tmp_path, study="another")
    assert {run.info.run_name for run in runs(client)} == {STUDY, "another"}


def test_trials_are_children_and_a_dead_ones_run_is_closed(config, client, tmp_path):
    callback = opened(config, tmp_path)
    living, dead = begun(config, 0), begun(config, 1)
    callback.on_trial_end(config=config, study_name=STUDY, number=1, state="failed", reason="its worker died")
    parent = runs(client)[0].info.run_id
    of_living, of_dead = (client.get_run(record.run_id) for record in (living, dead))
    assert of_living.data.tags["mlflow.parentRunId"] == of_dead.data.tags["mlflow.parentRunId"] == parent
    assert of_living.info.status == "RUNNING"
    assert of_dead.info.status == "FAILED"
    assert of_dead.data.tags["trial.state"] == "failed"
    assert of_dead.data.tags["trial.reason"] == "its worker died"


def test_the_end_closes_what_nobody_could_close_before(config, client, tmp_path):
    callback = opened(config, tmp_path)
    records = [begun(config, number) for number in range(4)]
    states = {0: ("complete", None), 1: ("pruned", "after epoch 1 of 2"), 2: ("interrupted", None)}
    ended(callback, config, tmp_path, "done", states=states)
    found = [client.get_run(record.run_id) for record in records]
    assert [run.info.status for run in found] == ["FINISHED", "KILLED", "KILLED", "RUNNING"]  # somebody else runs the last one
    assert found[1].data.tags["trial.reason"] == "after epoch 1 of 2"


def test_a_required_store_that_is_dead_refuses_the_sweep(config, tmp_path):
    config.tracking.uri = "http://127.0.0.1:9"
    config.tracking.required = True
    message = r"^tracking\.uri=http://127\.0\.0\.1:9: cannot be used \(Connection refused\); tracking\.required=false sweeps"
    with pytest.raises(SweepError, match=message):
        opened(config, tmp_path)
    ended(SweepRun(), config, tmp_path, "done")  # too late to refuse


def test_a_deleted_experiment_refuses_the_sweep(config, client, tmp_path):
    client.delete_experiment(client.create_experiment(config.tracking.experiment))
    with pytest.raises(
        SweepError, match=r"^tracking\.experiment=\S+: was deleted in MLflow; restore it there or choose another"
    ):
        opened(config, tmp_path)


def test_a_trial_that_closed_its_run_keeps_its_own_reason(config, client, tmp_path):
    callback = opened(config, tmp_path)
    record = begun(config, 0)
    record.finish("failed", "DivergedError: the loss is nan")
    callback.on_trial_end(config=config, study_name=STUDY, number=0, state="failed", reason="shorter")
    assert client.get_run(record.run_id).data.tags["trial.reason"] == "DivergedError: the loss is nan"


def test_the_run_of_an_attempt_that_died_is_closed_when_a_later_one_ends(config, client, tmp_path):
    callback = opened(config, tmp_path)
    died = begun(config, 0)
    later = begun(config, 0)
    later.finish("complete", None)
    callback.on_trial_end(config=config, study_name=STUDY, number=0, state="complete", reason=None)
    assert client.get_run(died.run_id).info.status == "FAILED"
    assert client.get_run(later.run_id).info.status == "FINISHED"
    assert client.get_run(later.run_id).data.tags["trial.state"] == "complete"


def test_a_run_that_its_trial_could_not_close_gets_the_trials_state(config, client, tmp_path):
    callback = opened(config, tmp_path)
    record = begun(config, 0)
    callback.on_trial_end(config=config, study_name=STUDY, number=0, state="pruned", reason="after epoch 1 of 2")
    run = client.get_run(record.run_id)
    assert (run.info.status, run.data.tags["trial.state"]) == ("KILLED", "pruned")


def test_the_parent_names_the_best_complete_trial(config, client, tmp_path):
    callback = opened(config, tmp_path)
    for number, (value, state) in enumerate([(0.5, "complete"), (0.75, "complete"), (0.9, "pruned"), (0.1, "failed")]):
        record = begun(config, number)
        record.epoch({"valid_accuracy": value}, step=1)
        record.finish(state, None)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "best.yaml").write_text("epochs: 2\n")
    states = {0: ("complete", None), 1: ("complete", None), 2: ("pruned", None), 3: ("failed", "nan")}
    ended(callback, config, tmp_path, "4 of 4 trials are finished", states=states, best=[1, 0])
    (parent,) = runs(client)
    assert (parent.data.tags["best.trial"], parent.data.tags["best.value"]) == ("1", "0.75")
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["best.yaml"]
    note = parent.data.tags["mlflow.note.content"]
    assert f"The best is [trial 1](#/experiments/{parent.info.experiment_id}/runs/" in note
    assert run_note.command(["densenet-sweep", "--config-dir", str(tmp_path), "experiment=best"]) in note
    assert "**2 complete, 1 failed, 1 pruned**; ended: `4 of 4 trials are finished`" in note
    assert "Kept here: `best.yaml`." in note


def test_the_parent_shows_the_best_value_so_far(config, client, tmp_path):
    callback = opened(config, tmp_path)
    for number, value, state, best in ((0, 0.5, "complete", [0]), (1, 0.25, "pruned", [0]), (2, 0.75, "complete", [2, 0])):
        record = begun(config, number)
        record.epoch({"valid_accuracy": value}, step=1)
        record.finish(state, None)
        callback.on_trial_end(config=config, study_name=STUDY, number=number, state=state, reason=None, best=best)
    (parent,) = runs(client)
    shown = client.get_metric_history(parent.info.run_id, "best_valid_accuracy")
    assert [(metric.step, metric.value) for metric in shown] == [(1, 0.5), (2, 0.75)]


def test_several_objectives_have_no_best(config, client, tmp_path):
    config.objective = ["valid_accuracy", "num_parameters"]
    config.hydra.sweeper.direction = ["maximize", "minimize"]
    callback = opened(config, tmp_path)
    record = begun(config, 0)
    record.epoch({"valid_accuracy": 0.5}, step=1)
    record.finish("complete", None)
    ended(callback, config, tmp_path, "done", best=[0])
    assert "to maximize `valid_accuracy` and minimize `num_parameters`" in runs(client)[0].data.tags["mlflow.note.content"]
    assert "best.trial" not in runs(client)[0].data.tags


def test_without_mlflow_nothing_happens(config, client, tmp_path):
    config.tracking = {"_target_": "densenet_sweep.tracking.null_record.open_record"}
    callback = opened(config, tmp_path)
    callback.on_trial_end(config=config, study_name=STUDY, number=0, state="failed", reason=None)
    ended(callback, config, tmp_path, "done")
    assert runs(client) == []


def test_a_server_that_is_dead_costs_a_warning(config, tmp_path, caplog):
    config.tracking.uri = "http://me:secret@127.0.0.1:9"
    opened(config, tmp_path)
    assert [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING] == [
        "tracking.uri=http://me:***@127.0.0.1:9: cannot be used (Connection refused); the sweep continues, and what is missing "
        "there is sent when it is back"
    ]


def test_a_store_that_was_away_at_the_beginning_has_all_at_the_end(config, client, tmp_path):
    uri = config.tracking.uri
    config.tracking.uri = "http://127.0.0.1:9"
    callback = opened(config, tmp_path)
    config.tracking.uri = uri
    ended(callback, config, tmp_path, "3 of 3 trials are finished")
    (parent,) = runs(client)
    assert (parent.info.status, parent.data.tags["command"]) == ("FINISHED", store.redacted(COMMAND))


def test_what_a_trial_could_not_send_is_sent_when_another_ends_with_its_metrics(config, client, tmp_path, monkeypatch):
    callback = opened(config, tmp_path)
    record = instantiate(
        config.tracking, name="trial 0", parameters={}, tags={"trial.number": "0"}, study_name=STUDY, run_id=None,
        folder=tmp_path / "0",
    )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(outbox.Outbox, "send", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError(111, "refused")))
        record.epoch({"valid_accuracy": 0.75}, step=1)
        record.finish("complete", None)
    assert client.get_run(record.run_id).info.status == "RUNNING"
    callback.on_trial_end(config, study_name=STUDY, sweep_dir=str(tmp_path), number=1, state="complete", reason=None)
    run_of_it = client.get_run(record.run_id)
    assert (run_of_it.info.status, run_of_it.data.metrics) == ("FINISHED", {"valid_accuracy": 0.75})


def test_what_waits_for_a_store_that_is_away_at_the_end_is_named(config, tmp_path, caplog):
    for number in (3, 12):
        (tmp_path / str(number)).mkdir()
        kept = outbox.Outbox("http://127.0.0.1:9", "tests", "a key", STUDY, "a trial", {}, {"trial.number": str(number)})
        kept.save(tmp_path / str(number))
    config.tracking.uri = "http://127.0.0.1:9"
    ended(SweepRun(), config, tmp_path, "done")
    assert caplog.messages[-1] == (
        "tracking.uri=http://127.0.0.1:9: cannot be used (Connection refused); MLflow is not complete; what trials 3, 12 could "
        f"not send waits in {tmp_path}; the same command completes it when it is back"
    )


def test_a_confirmation_is_said_to_test_and_not_to_search(config, client, tmp_path):
    config.hydra.sweeper.repeats = True
    opened(config, tmp_path)
    (parent,) = runs(client)
    assert "3 runs, each of them measuring `test_accuracy` once." in parent.data.tags["mlflow.note.content"]
    assert "valid_accuracy" not in str(parent.data.tags)


def test_two_commands_that_open_a_new_study_at_the_same_moment_make_one_parent(config, client, tmp_path, monkeypatch):
    look = StudyRuns.only_parent
    looks = iter([False, True] * 2)
    monkeypatch.setattr(StudyRuns, "only_parent", lambda runs: look(runs) if next(looks) else None)
    opened(config, tmp_path)
    (first,) = runs(client)
    child = begun(config, 0)
    opened(config, tmp_path)  # which had looked before the first one made its
    assert [it.info.run_id for it in runs(client)] == [first.info.run_id]
    monkeypatch.setattr(StudyRuns, "only_parent", look)
    ended(opened(config, tmp_path), config, tmp_path, "3 of 3 trials are finished")
    (parent,) = runs(client)
    assert (parent.info.run_id, parent.info.status) == (first.info.run_id, "FINISHED")
    assert client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == first.info.run_id


def test_children_of_a_parent_that_is_one_too_many_move(config, client, tmp_path):
    experiment = client.create_experiment("tests")
    tags = {"study": STUDY, "role": "study"}
    late, early = (client.create_run(experiment, start_time=at, tags=tags).info.run_id for at in (2000, 1000))
    child = client.create_run(experiment, tags={"study": STUDY, "mlflow.parentRunId": late}).info.run_id
    opened(config, tmp_path)
    assert [parent.info.run_id for parent in runs(client)] == [early]
    assert client.get_run(child).data.tags["mlflow.parentRunId"] == early


@pytest.mark.parametrize(
    ("storage", "direction", "tags"),
    [
        (None, "maximize", {"study.storage": "journal", "study.directions": "maximize"}),
        (
            "postgresql+psycopg://me:secret@host/sweeps",
            ["maximize", "minimize"],
            {"study.storage": "postgresql+psycopg://me:***@host/sweeps", "study.directions": "maximize minimize"},
        ),
    ],
)
def test_the_parent_says_where_the_study_is_without_a_password(config, client, tmp_path, storage, direction, tags):
    config.hydra.sweeper.storage = storage
    config.hydra.sweeper.direction = direction
    opened(config, tmp_path)
    (parent,) = runs(client)
    assert tags.items() <= parent.data.tags.items()
