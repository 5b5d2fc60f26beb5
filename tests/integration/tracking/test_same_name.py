"""Two studies of one name in one experiment: what becomes of one of them changes nothing of the other."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.utils import instantiate
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import STUDY_ID
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from small_runs import SUBDIR

from densenet_sweep.callbacks.keep_best_weights import KeepBest
from densenet_sweep.callbacks.leaderboard import ViewedSweepRun
from densenet_sweep.config.schema import MlflowConfig
from densenet_sweep.mlflow_ui import saved_views
from densenet_sweep.models import named
from densenet_sweep.models.registry import REGISTERED_NAME
from densenet_sweep.results import logged_metric
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.recorded import recorded
from densenet_sweep.tracking import outbox, run
from densenet_sweep.tracking.study_runs import StudyKey, StudyRuns


@pytest.fixture
def config(tracking: dict[str, Any]) -> DictConfig:
    sweeper = {"params": {"x": "interval(0,1)"}, "n_trials": 4, "direction": "maximize", "storage": None}
    return OmegaConf.create(
        {
            "tracking": {**tracking, "keep_checkpoints": 1},
            "objective": "valid_accuracy",
            "hydra": {"sweeper": sweeper, "overrides": {"task": []}, "sweep": SUBDIR},
        }
    )


class Sweep:
    """The study "mine" of the sweep in `folder`, as its trials and callbacks act on the store."""

    def __init__(self, config: DictConfig, folder: Path, study_id: str | None) -> None:
        self.config, self.folder, self.id = config, folder, study_id
        self.callback = ViewedSweepRun()
        self.study = optuna.create_study(study_name="mine", storage=open_storage(None, folder), direction="maximize")
        self.study.set_user_attr("config", {"objective": "valid_accuracy"})
        if study_id is not None:
            self.study.set_user_attr(STUDY_ID, study_id)

    @property
    def event(self) -> dict[str, Any]:
        return {"config": self.config, "study_name": "mine", "study_id": self.id, "sweep_dir": str(self.folder)}

    def opens(self) -> None:
        self.callback.on_study_open(**self.event, command="densenet-sweep sweep=mine")

    def begins(self, value: float) -> Any:
        """Begin the next trial, which has this value after its first epoch."""
        trial = self.study.ask()
        number = trial.number
        trial.suggest_float("x", 0, 1)
        artifacts = self.folder / str(number) / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "best.pt").write_text(str(self.folder))
        tracking = {key: value for key, value in self.config.tracking.items() if key != "keep_checkpoints"}
        record = instantiate(
            tracking, name=f"trial {number}", parameters={"x": 0.5}, tags={"trial.number": str(number)}, study_name="mine",
            study_id=self.id, run_id=None, key=f"{self.folder.name}{number}",
        )  # fmt: skip
        trial.set_user_attr("mlflow_run_id", record.run_id)
        record.epoch({"valid_accuracy": value}, step=1)
        self.study.tell(number, value)
        return record

    def trains(self, value: float) -> str:
        """Train the next trial to its end, and return the id of its run."""
        record = self.begins(value)
        record.finish("complete", None)
        self.trial_ends(len(self.study.trials) - 1)
        return str(record.run_id)

    def trial_ends(self, number: int) -> None:
        event = {**self.event, "number": number, "state": "complete", "reason": None, "best": self.best}
        self.callback.on_trial_end(**event)
        KeepBest().on_trial_end(**event)

    def ends(self) -> None:
        states = {trial.number: ("complete", None) for trial in self.study.trials}
        event = {**self.event, "reason": "done", "outcome": "finished", "states": states, "best": self.best}
        self.callback.on_study_end(**event)
        KeepBest().on_study_end(**event)

    @property
    def best(self) -> Sequence[int]:
        return [it.number for it in sorted(self.study.trials, key=lambda it: -(it.value or 0))]


@pytest.fixture
def first(config: DictConfig, tmp_path: Path) -> Sweep:
    return Sweep(config, tmp_path / "first", "1" * 32)


@pytest.fixture
def second(config: DictConfig, tmp_path: Path) -> Sweep:
    return Sweep(config, tmp_path / "second", "2" * 32)


def weights(client: MlflowClient, run_id: str, folder: Path) -> str | None:
    """Return what a run keeps as its weights."""
    if not any(file.path == "best.pt" for file in client.list_artifacts(run_id)):
        return None
    folder.mkdir()
    return Path(client.download_artifacts(run_id, "best.pt", str(folder))).read_text()


def parent(client: MlflowClient, sweep: Sweep) -> Run:
    runs = StudyRuns(client, client.get_experiment_by_name("tests").experiment_id, StudyKey("mine", sweep.id))
    found = runs.find_parent()
    assert found is not None
    return client.get_run(found.id)


def test_each_keeps_its_own_weights(client, first, second, tmp_path):
    first.opens()
    of_first = first.trains(0.5)
    second.opens()
    displaced, of_second = second.trains(0.25), second.trains(0.375)
    second.ends()
    first.opens()
    first.trains(0.125)
    first.ends()
    assert weights(client, of_first, tmp_path / "a") == str(first.folder)
    assert weights(client, displaced, tmp_path / "c") is None
    assert weights(client, of_second, tmp_path / "b") == str(second.folder)


def test_each_has_its_parent_with_its_own_trials_and_its_best(client, first, second):
    for sweep, value in ((first, 0.5), (second, 0.25)):
        sweep.opens()
        of_it = sweep.trains(value)
        assert client.get_run(of_it).data.tags[run.PARENT] == parent(client, sweep).info.run_id
    for sweep in (first, second):
        sweep.ends()
    assert parent(client, first).data.tags["sweep.dir"] == str(first.folder)
    assert parent(client, first).data.tags["best.value"] == "0.5"
    assert parent(client, second).data.tags["best.value"] == "0.25"
    assert parent(client, first).data.metrics["best_valid_accuracy"] == 0.5


def test_the_end_of_one_closes_no_trial_of_the_other(client, first, second):
    first.opens()
    second.opens()
    running = first.begins(0.5)
    second.trains(0.25)
    second.ends()
    assert client.get_run(running.run_id).info.status == "RUNNING"


def test_the_second_one_says_so_once_and_how_to_name_it(first, second, caplog):
    with caplog.at_level(logging.WARNING):
        for sweep in (first, second, first, second):
            sweep.opens()
    assert caplog.messages == [
        f"study mine: the MLflow experiment has another study of this name, whose folder is {first.folder}; their runs are "
        "kept apart, and hydra.sweeper.study_name=NAME gives this one a name of its own"
    ]


def test_elsewhere_the_one_begun_last_is_read_with_its_own_trials(client, first, second, config):
    for sweep, value in ((first, 0.5), (second, 0.25)):
        sweep.opens()
        sweep.trains(value)
        sweep.ends()
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    tracking = MlflowConfig(_target_="", **settings)
    (second.folder / "study.journal").unlink()
    found = recorded(tracking, "mine")[0].load()
    assert [trial.values for trial in found.trials] == [(0.25,)]
    experiment = client.get_experiment_by_name("tests").experiment_id
    leaderboard = saved_views.install(client, experiment, "mine")[0]
    (shown,) = client.search_runs([experiment], leaderboard.state["searchFilter"])
    assert shown.data.metrics["valid_accuracy"] == 0.25


def test_a_storage_that_holds_another_study_of_the_name_is_not_read(first, second, config):
    second.opens()
    second.trains(0.25)
    (second.folder / "study.journal").write_bytes((first.folder / "study.journal").read_bytes())
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    found = recorded(MlflowConfig(_target_="", **settings), "mine")[0].load()
    assert found.note is not None
    assert "its storage holds another study of this name" in found.note


def test_a_metric_is_that_of_its_own_trials(first, second, config):
    for sweep, value in ((first, 0.25), (second, 0.5)):
        sweep.opens()
        record = sweep.begins(value)
        record.epoch({"train_loss": value}, step=2)
        record.finish("complete", None)
    settings = {key: value for key, value in config.tracking.items() if key != "_target_"}
    study = read_study(first.study)
    unnamed = tuple(replace(trial, run_id=None) for trial in study.trials)  # as where the store received them late
    study = replace(study, trials=unnamed)
    assert logged_metric.read(study, "train_loss", MlflowConfig(_target_="", **settings), 3).values == {0: 0.25}


def test_the_champion_of_another_study_does_not_answer(client, first, second, monkeypatch):
    monkeypatch.setattr("densenet_sweep.results.studies.find", lambda *_: first)
    monkeypatch.setattr("densenet_sweep.results.studies.values_of", lambda sweep: read_study(sweep.study))
    client.create_registered_model(REGISTERED_NAME)
    for sweep in (first, second):
        client.create_model_version(REGISTERED_NAME, "somewhere", tags=StudyKey("mine", sweep.id).tags)
    assert named._champion_of(client, "mine", ()) == "1"
    monkeypatch.setattr("densenet_sweep.results.studies.find", lambda *_: 1 / 0)  # neither can be read
    assert named._champion_of(client, "mine", ()) == "2"


def test_the_view_of_finalists_shows_those_of_its_own_study(client, first, second):
    for sweep in (first, second):
        sweep.opens()
    experiment = client.get_experiment_by_name("tests").experiment_id
    client.create_run(experiment, tags={"confirms": "mine", "confirms.id": first.id, "mlflow.parentRunId": "a"})
    assert "Finalists" not in [view.title for view in saved_views.install(client, experiment, "mine")]
    client.create_run(experiment, tags={"confirms": "mine", "confirms.id": second.id, "mlflow.parentRunId": "a"})
    view = next(view for view in saved_views.install(client, experiment, "mine") if view.title == "Finalists")
    assert len(client.search_runs([experiment], view.state["searchFilter"])) == 1


def test_what_waited_for_the_store_comes_below_its_own_parent(client, first, second):
    first.opens()
    second.opens()
    uri = second.config.tracking.uri
    late = outbox.Outbox(outbox.shown_store(uri), "tests", "late", "mine", "trial 0", {}, {"trial.number": "0"})
    late.tags |= StudyKey("mine", second.id).tags
    late.end = outbox.End("complete", None, outbox.now())
    late.save(second.folder / "0")
    second.opens()
    (sent,) = client.search_runs(["1"], f"tags.`{run.KEY}` = 'late'")
    assert client.get_run(sent.data.tags[run.PARENT]).data.tags["sweep.dir"] == str(second.folder)


def test_a_study_of_an_earlier_version_keeps_its_runs_and_touches_no_others(client, config, second, tmp_path):
    older = Sweep(config, tmp_path / "older", None)
    older.opens()
    before, of_older = parent(client, older).info.run_id, older.trains(0.5)
    second.opens()
    of_second = second.trains(0.25)
    older.opens()
    older.trains(0.75)
    older.ends()
    assert parent(client, older).info.run_id == before
    assert client.get_run(of_older).data.tags[run.PARENT] == before
    assert client.get_run(of_second).data.tags[run.PARENT] == parent(client, second).info.run_id != before
    assert weights(client, of_older, tmp_path / "a") is None  # of two trials, one's are kept
    assert weights(client, of_second, tmp_path / "b") == str(second.folder)
