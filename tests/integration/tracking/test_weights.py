"""Which trials' weights a sweep keeps: in the folders, in a store in a file, and on a real server."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from mlflow import MlflowClient
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.callbacks.keep_best_weights import KeepBest
from densenet_sweep.tracking import store

STUDY = "it's a study"


@pytest.fixture(params=["file", "server"])
def config(request: pytest.FixtureRequest, tracking: dict[str, Any], tmp_path: Path) -> DictConfig:
    uri = tracking["uri"] if request.param == "file" else request.getfixturevalue("server").uri
    return OmegaConf.create({"tracking": {**tracking, "uri": uri, "experiment": tmp_path.name, "keep_checkpoints": 2}})


@pytest.fixture
def client(config: DictConfig) -> MlflowClient:
    return store.connect(config.tracking.uri)


@pytest.fixture
def trained(config: DictConfig, tmp_path: Path) -> Callable[[int], str]:
    """Leave what a trial leaves, in its folder and in MLflow, and return the id of its run."""

    def train(number: int) -> str:
        artifacts = tmp_path / str(number) / "artifacts"
        artifacts.mkdir(parents=True)
        (artifacts / "best.pt").write_bytes(bytes(1000))
        (artifacts / "config.yaml").write_text("seed: 1\n")
        (tmp_path / str(number) / "last.pt").write_bytes(bytes(1000))
        settings = {key: value for key, value in config.tracking.items() if key != "keep_checkpoints"}
        tags = {"trial.number": str(number)}
        record = instantiate(settings, name="", parameters={}, tags=tags, study_name=STUDY, run_id=None)
        record.artifacts(artifacts, without=("best.pt",))
        record.finish("complete", None)
        return str(record.run_id)

    return train


def trial_ended(config: DictConfig, folder: Path, number: int, best: Sequence[int], state: str = "complete") -> None:
    event_arguments: dict[str, Any] = {"sweep_dir": str(folder), "number": number, "state": state, "reason": None, "best": best}
    KeepBest().on_trial_end(config=config, study_name=STUDY, **event_arguments)


def study_ended(config: DictConfig, folder: Path, best: Sequence[int], **states: str) -> None:
    event_arguments: dict[str, Any] = {
        "states": {int(number[1:]): (state, None) for number, state in states.items()},
        "best": best,
    }
    KeepBest().on_study_end(config=config, study_name=STUDY, sweep_dir=str(folder), reason="done", **event_arguments)


def local(folder: Path) -> set[int]:
    return {int(path.parent.parent.name) for path in folder.glob("*/artifacts/best.pt")}


def stored(client: MlflowClient, runs: Sequence[str]) -> set[int]:
    files = [{file.path for file in client.list_artifacts(run)} for run in runs]
    assert all("config.yaml" in names for names in files)
    return {number for number, names in enumerate(files) if "best.pt" in names}


def test_the_best_keep_theirs_and_who_falls_out_loses_them(config, client, trained, tmp_path):
    runs = []
    expected = [({0}, [0]), ({0, 1}, [1, 0]), ({1, 2}, [1, 2, 0]), ({1, 2}, [1, 2, 0, 3]), ({1, 4}, [4, 1, 2, 0, 3])]
    for number, (kept, best) in enumerate(expected):
        runs.append(trained(number))
        trial_ended(config, tmp_path, number, best)
        assert local(tmp_path) == kept
        assert stored(client, runs) == kept
    assert not (tmp_path / "3" / "last.pt").exists()


@pytest.mark.parametrize("state", ["pruned", "failed"])
def test_a_trial_that_is_not_complete_keeps_nothing(config, client, trained, tmp_path, state):
    runs = [trained(0)]
    trial_ended(config, tmp_path, 0, [], state)
    assert (local(tmp_path), stored(client, runs)) == (set(), set())
    assert not (tmp_path / "0" / "last.pt").exists()


def test_what_somebody_continues_is_left_alone(config, trained, tmp_path):
    trained(0)
    trial_ended(config, tmp_path, 0, [], "interrupted")
    study_ended(config, tmp_path, [], n0="interrupted")
    assert local(tmp_path) == {0}
    assert (tmp_path / "0" / "last.pt").exists()


def test_the_end_settles_what_was_left_and_says_what_it_takes(config, client, trained, tmp_path, caplog):
    runs = [trained(number) for number in range(4)]
    for number in range(3):  # each was the first to end, as far as it could see; and nobody heard of the last one
        trial_ended(config, tmp_path, number, [number])
    assert stored(client, runs) >= {2}
    with caplog.at_level(logging.INFO):
        study_ended(config, tmp_path, [3, 1, 0], n0="complete", n1="complete", n2="pruned", n3="complete")
    assert (local(tmp_path), stored(client, runs)) == ({1, 3}, {1, 3})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "densenet_sweep"]
    assert line.startswith(f"{tmp_path}: ")
    assert line.endswith(" MB,\n  weights of the 2 best trials (tracking.keep_checkpoints=2)")


def test_none_are_kept_where_none_are_asked_for(config, client, trained, tmp_path):
    config.tracking.keep_checkpoints = 0
    runs = [trained(0)]
    trial_ended(config, tmp_path, 0, [0])
    assert (local(tmp_path), stored(client, runs)) == (set(), set())


def test_without_mlflow_the_folders_are_bounded_alike(trained, tmp_path):
    for number in range(3):
        trained(number)
    config = OmegaConf.create({"tracking": {"_target_": "densenet_sweep.tracking.null_record", "keep_checkpoints": 1}})
    trial_ended(config, tmp_path, 2, [2, 0, 1])
    study_ended(config, tmp_path, [2, 0, 1], n0="complete", n1="complete", n2="complete")
    assert local(tmp_path) == {2}


def test_a_store_that_is_dead_costs_a_warning(config, trained, tmp_path, caplog):
    trained(0)
    config.tracking.uri = "http://me:secret@127.0.0.1:9"
    trial_ended(config, tmp_path, 0, [0])
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("tracking.uri=http://me:***@127.0.0.1:9: cannot be used (Connection refused); which weights")
    assert local(tmp_path) == {0}
