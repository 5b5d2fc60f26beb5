"""What MLflow holds after a real sweep with complete, pruned and failed trials: in a file, and on a server."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from densenet_sweep.tracking import store

FOUND, HOPELESS, DIVERGING, BETTER = "optimizer.lr:0.05", "optimizer.lr:1e-6", "optimizer.lr:1e25", "optimizer.lr:0.4"
SWEEP = (
    "sweep=growth_depth_lr", "data=digits", "hydra/launcher=basic", "epochs=2", "architecture.depth=10", "device=cpu",
    "architecture.growth_rate=4", "optimizer.lr=tag(log,interval(1e-6,1e25))", "hydra.sweeper.study_name=small",
    "hydra.sweeper.n_trials=3", f"hydra.sweeper.enqueue=[{{{FOUND}}},{{{HOPELESS}}},{{{DIVERGING}}},{{{BETTER}}}]",
    "hydra/sweeper/pruner=threshold", "hydra.sweeper.pruner.lower=0.13", "tracking.keep_checkpoints=1",
)  # fmt: skip


@pytest.fixture(params=["file", "server"])
def swept(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path, commands: Any) -> MlflowClient:
    """Sweep in an empty folder, and return a client of where it was recorded."""
    uri = "sqlite:///mlruns/mlflow.db"
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    if request.param == "server":
        uri = request.getfixturevalue("server").uri
    exit_code, output = commands.run(tmp_path, *SWEEP, f"tracking.uri={uri}", "tracking.experiment=recorded")
    assert exit_code == 0, output
    assert ",\n  weights of the best trial (tracking.keep_checkpoints=1)" in output
    return store.connect(uri if request.param == "server" else f"sqlite:///{tmp_path}/mlruns/mlflow.db")


def test_parent_and_children_hold_all_that_is_known(swept, tmp_path):
    experiment = swept.get_experiment_by_name("recorded").experiment_id
    runs = swept.search_runs([experiment], order_by=["start_time ASC"])
    (parent,) = [run for run in runs if run.data.tags.get("role") == "study"]
    trials = sorted((run for run in runs if run is not parent), key=lambda run: int(run.data.tags["trial.number"]))
    states = ["complete", "pruned", "failed", "complete"]
    assert [run.data.tags["trial.state"] for run in trials] == states
    assert [run.info.status for run in trials] == ["FINISHED", "KILLED", "FAILED", "FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert len({run.data.tags["study.id"] for run in runs}) == 1

    varying = {key for run in trials for key, value in run.data.params.items() if value != trials[0].data.params[key]}
    assert varying == {"optimizer.lr", "optimizer.lr.log10"}
    assert [float(run.data.params["optimizer.lr.log10"]) for run in trials] == [-1.301, -6.0, 25.0, -0.3979]
    assert {run.data.metrics["num_parameters"] for run in trials} == {2522.0}
    steps = [[metric.step for metric in swept.get_metric_history(run.info.run_id, "valid_accuracy")] for run in trials]
    assert (steps[0], steps[1], steps[3]) == ([1, 2], [1], [1, 2])
    seconds = [metric.value for metric in swept.get_metric_history(trials[0].info.run_id, "epoch_seconds")]
    assert trials[0].data.metrics["total_seconds"] == pytest.approx(sum(seconds) + trials[0].data.metrics["rung_1_seconds"])
    assert all("system/cpu_utilization_percentage" in run.data.metrics for run in trials)

    files = [{file.path for file in swept.list_artifacts(run.info.run_id)} for run in trials]
    assert {"config.yaml", "confusion.png", "mistakes.png", "best.pt"} <= files[3]
    assert {"config.yaml", "confusion.png"} <= files[0]
    assert files[1] == {"config.yaml"}  # given up after a rung
    assert not any("best.pt" in names for names in files[:3])
    folder = tmp_path / "outputs" / "sweeps" / "small"
    assert [path.parent.parent.name for path in folder.glob("*/artifacts/best.pt")] == ["3"]
    assert not list(folder.rglob("last.pt"))

    for run in trials:
        used = {it.tags[0].value: it.dataset for it in run.inputs.dataset_inputs}
        assert {name: dataset.name for name, dataset in used.items()} == {"training": "digits", "validation": "digits"}
        assert '"num_rows": 1150' in used["training"].profile
        assert '"num_rows": 288' in used["validation"].profile
    assert len({it.dataset.digest for run in trials for it in run.inputs.dataset_inputs}) == 2

    notes = [run.data.tags["mlflow.note.content"] for run in trials]
    assert [note.split()[0].strip("*:").lower() for note in notes] == states
    assert all(f"densenet-sweep rerun {run.info.run_id}" in note for run, note in zip(trials, notes, strict=True))
    note = parent.data.tags["mlflow.note.content"]
    assert "**2 complete, 1 failed, 1 pruned**" in note
    assert f"[trial 3](#/experiments/{experiment}/runs/{trials[3].info.run_id})" in note
    assert "experiment=best" in note
    assert "Kept here: `best.yaml`, `pictures`" in note
    assert (parent.data.tags["best.trial"], parent.info.status) == ("3", "FINISHED")
    assert "best.yaml" in {file.path for file in swept.list_artifacts(parent.info.run_id)}
