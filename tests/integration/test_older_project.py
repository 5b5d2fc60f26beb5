"""What an older version left is read, compared and continued; see `tests/fixtures/make_older_project.py`."""

import csv
import io
import json
import shlex
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import torch
from hydra_async_sweeper.study import earlier
from hydra_async_sweeper.study.study_file import read

ARCHIVE = Path(__file__).parent.parent / "fixtures" / "older_project.tar.xz"

TINY = ["data=digits", "data.num_train=300", "architecture.depth=10", "precision=fp32", "device=cpu", "tracking=none"]
SINGLE = [*TINY, "architecture.growth_rate=2", "epochs=6", "hydra.run.dir=outputs/runs/interrupted"]

TARGET = "densenet_sweep.training.optimizers.sgd"
OLDER_TARGET = "densenet_sweep.older.optimizers.sgd"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "older"


@pytest.fixture
def older(unpacked, tmp_path) -> Path:
    """The older project, to be changed, where `command` runs; MLflow finds the runs' files there."""
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("tags", "value")):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, '/tmp/older', ?)", (str(tmp_path),))
    return tmp_path


def study(folder: Path, name: str) -> optuna.Study:
    return read(folder / "outputs" / "sweeps" / name).load()


def states(folder: Path, name: str) -> list[str]:
    return [trial.state.name for trial in study(folder, name).get_trials()]


def typed(folder: Path, name: str) -> list[str]:
    """The arguments of the command that made the study."""
    words = shlex.split(read(folder / "outputs" / "sweeps" / name).command or "")
    return words[next(index for index, word in enumerate(words) if word.startswith("sweep=")) :]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
@pytest.mark.parametrize(
    ("kind", "there", "best"),
    [
        ("finished", {"complete": 2}, "0.15625"),
        ("promoted", {"complete": 3, "pruned": 5}, "0.3055555555555556"),
        ("killed", {"complete": 1, "running": 1}, "0.4340277777777778"),
    ],
)
def test_a_study_is_read(command, kind, storage, there, best):
    name = f"{kind}-{storage}"
    compared = command("compare", name, "--format", "csv")
    assert compared.exit_code == 0, compared.err
    found = rows(compared.out)
    words = [row["state"].split()[0] for row in found]
    assert {state: words.count(state) for state in sorted(set(words))} == there
    assert found[0]["valid_accuracy"] == best
    status = command("status", name)
    assert status.exit_code == 0, status.err
    assert name in status.out


@pytest.mark.parametrize("name", ["promoted-journal", "finished-sqlite"])
def test_a_study_is_continued_with_a_larger_budget(older, command, name):
    before = study(older, name).get_trials()
    continued = command(*typed(older, name), f"hydra.sweeper.n_trials={len(before) + 1}")
    assert continued.exit_code == 0, continued.err
    after = study(older, name).get_trials()
    assert len(after) == len(before) + 1
    assert after[-1].state.is_finished()
    assert [(trial.params, trial.values) for trial in after[:-1]] == [(trial.params, trial.values) for trial in before]


@pytest.mark.parametrize("name", ["killed-journal", "killed-sqlite"])
def test_an_interrupted_study_is_continued_where_it_stopped(older, command, name):
    held = torch.load(older / "outputs" / "sweeps" / name / "1" / "last.pt", weights_only=True)["history"]
    # The lease of a process on another machine must expire, which takes a minute by default.
    continued = command(*typed(older, name), "hydra.sweeper.lease_seconds=3")
    assert continued.exit_code == 0, continued.err
    assert states(older, name) == ["COMPLETE", "COMPLETE"]
    trial = study(older, name).get_trials()[1]
    assert sorted(trial.intermediate_values) == list(range(1, 31))
    assert f"epoch {len(held)}/30" not in continued.out  # the checkpoint has it
    assert f"epoch {len(held) + 1}/30" in continued.out


def test_a_single_run_continues_with_the_numbers_of_an_uninterrupted_one(older, command):
    last = older / "outputs" / "runs" / "interrupted" / "last.pt"
    assert 1 <= len(torch.load(last, weights_only=True)["history"]) <= 4
    continued = command(*SINGLE)
    assert continued.exit_code == 0, continued.err
    history = torch.load(last, weights_only=True)["history"]
    whole = torch.load(older / "outputs" / "runs" / "whole" / "last.pt", weights_only=True)["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4, 5, 6]
    for name in ("train_loss", "valid_loss", "valid_accuracy", "lr"):
        # To the bit where the archive was made; other processors round otherwise.
        assert [epoch[name] for epoch in history] == pytest.approx([epoch[name] for epoch in whole], rel=0.01)


@pytest.mark.usefixtures("older")
def test_a_confirmation_is_read(command):
    compared = command("compare", "promoted-journal-confirmation-of-8")
    assert compared.exit_code == 0, compared.err
    assert "Champion: trial 5" in compared.out


def test_the_mlflow_database_holds_its_runs(older):
    from densenet_sweep.tracking import store

    client = store.connect(f"sqlite:///{older}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("densenet_sweep")
    found = client.search_runs([experiment.experiment_id], "tags.`study` = 'promoted-journal' AND tags.`trial.number` LIKE '%'")
    of_trials = {int(run.data.tags["trial.number"]): run for run in found}
    for trial in study(older, "promoted-journal").get_trials():
        run = of_trials[trial.number]
        assert run.info.status == {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}[trial.state.name]
        assert run.data.metrics["valid_accuracy"] == trial.value
        assert run.info.run_id == trial.user_attrs["mlflow_run_id"]


def test_a_study_whose_folder_has_gone_is_rebuilt_from_mlflow(older, command):
    (here,) = json.loads(command("compare", "promoted-journal", "--format", "json").out)
    shutil.rmtree(older / "outputs")
    rebuilt = command("compare", "promoted-journal", "--format", "json")
    assert rebuilt.exit_code == 0, rebuilt.err
    (found,) = json.loads(rebuilt.out)
    for part in ("trials", "noise", "validated_on"):
        assert found[part] == here[part]


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change the config that the interrupted study and the single run's checkpoint have stored."""
    journal = folder / "outputs" / "sweeps" / "interrupted" / "study.journal"
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    for entry in entries:
        if "config" in entry.get("user_attr", {}):
            change(entry["user_attr"]["config"])
    journal.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    path = folder / "outputs" / "runs" / "interrupted" / "last.pt"
    state = torch.load(path, weights_only=True)
    config = json.loads(state["config"])
    change(config)
    torch.save({**state, "config": json.dumps(config)}, path)


def test_keys_that_were_not_stored_count_as_their_defaults_and_a_moved_target_is_the_same(older, command, monkeypatch):
    edit(older, lambda config: config.update({"optimizer._target_": OLDER_TARGET}))
    for key in ("label_smoothing", "architecture.in_channels", "optimizer.nesterov", "data.augment.cutout_size"):
        edit(older, lambda config, key=key: config.pop(key))
    refused = command(*typed(older, "interrupted"))
    assert f"optimizer._target_: now {TARGET}, but the study interrupted has {OLDER_TARGET}" in refused.err
    refused = command(*SINGLE)
    assert f"optimizer._target_={OLDER_TARGET}" in refused.err
    monkeypatch.setitem(earlier.MOVED_TARGETS, OLDER_TARGET, TARGET)
    continued = command(*typed(older, "interrupted"))
    assert continued.exit_code == 0, continued.err
    assert states(older, "interrupted") == ["COMPLETE", "COMPLETE"]
    run = command(*SINGLE)
    assert run.exit_code == 0, run.err


@pytest.mark.parametrize(
    ("key", "override", "said"),
    [
        ("label_smoothing", "label_smoothing=0.1", "label_smoothing: now 0.1, but the study interrupted has 0.0"),
        ("optimizer.nesterov", "optimizer=sgd", "optimizer.momentum: now 0.0, but the study interrupted has 0.9"),
        ("optimizer.momentum", "optimizer=sgd", "optimizer.nesterov: now False, but the study interrupted has True"),
    ],
)
def test_another_value_than_its_default_is_a_difference(older, command, key, override, said):
    edit(older, lambda config: config.pop(key))
    before = study(older, "interrupted")
    refused = command(*typed(older, "interrupted"), override)
    assert (refused.exit_code, len(refused.err.splitlines())) == (1, 1)
    assert said in refused.err
    after = study(older, "interrupted")
    assert (after.user_attrs, after.get_trials()) == (before.user_attrs, before.get_trials())
    refused = command(*SINGLE, override)
    assert (refused.exit_code, len(refused.err.splitlines())) == (1, 1)
    assert override.partition("=")[0].split(".")[0] in refused.err
