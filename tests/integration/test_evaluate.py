"""A model on labelled pictures: what the run itself measured, and whether the model has seen them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from densenet_sweep.models import trained as trained_module
from densenet_sweep.tracking import store

TINY = ["architecture.depth=10", "architecture.growth_rate=4", "epochs=1", "batch_size=8", "precision=fp32", "num_threads=1"]
READ = ["data=image_table", "data.table=table.csv", "data.num_channels=1", "data.image_size=8", "tracking.system_metrics=false"]


@pytest.fixture
def trained(command: Callable, tmp_path: Path, empty_database: Path) -> tuple[str, MlflowClient]:
    """Train on pictures of two noisy classes, 48 in all, 16 of them for the test; return the run's id."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    generator = np.random.default_rng(0)
    rows = ["path,label,split"]
    for number in range(48):
        label, split = ("dark", "light")[number % 2], ("train", "val", "test")[number // 2 % 3]
        levels = generator.normal(120 + 16 * (number % 2), 60, (8, 8)).clip(0, 255).astype(np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{label},{split}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    typed = command("final", *READ, *TINY)
    assert typed.exit_code == 0, typed.err
    client = store.connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("densenet_sweep").experiment_id])
    return run.info.run_id, client


def test_it_gives_the_runs_own_numbers_and_tells_new_pictures_from_those_of_the_training(
    command, trained, tmp_path, monkeypatch
):
    run_id, client = trained
    logged = client.get_run(run_id).data.metrics
    typed = command("evaluate", run_id, "table.csv", "--split", "test", "--format", "json")
    assert (typed.exit_code, typed.err) == (0, "")
    found = json.loads(typed.out)
    assert (found["num_images"], found["seen"]) == (16, 0)
    assert [(it["name"], it["num_images"]) for it in found["classes"]] == [("dark", 8), ("light", 8)]
    for name, it in found["metrics"].items():
        assert it["value"] == pytest.approx(logged[f"test_{name}"], abs=1e-4), name
        low, high = it["interval"]
        assert low <= high
    assert found["metrics"]["auroc"]["interval"][0] < found["metrics"]["auroc"]["value"]
    recalls = [it["recall"] for it in found["classes"]]
    assert sum(recalls) / 2 == pytest.approx(found["metrics"]["balanced_accuracy"]["value"])

    typed = command("evaluate", run_id, "table.csv")
    assert "32 of 48 files are among those that the model was trained and validated on, such as 0.png" in " ".join(
        typed.out.split()
    )
    (tmp_path / "new" / "light").mkdir(parents=True)
    Image.fromarray(np.full((9, 9), 200, np.uint8)).save(tmp_path / "new" / "light" / "a.png")
    (tmp_path / "new" / "light" / "bad.png").write_text("no picture")
    with monkeypatch.context() as older:
        older.setattr(trained_module, "contents", lambda _: None)  # the weights of an earlier version have none
        typed = command("evaluate", run_id, "new")
    assert typed.exit_code == 1
    assert f"run {run_id} on 1 picture" in typed.out
    assert "cannot be known" in typed.out
    assert typed.err.splitlines() == [
        "new/light/bad.png: cannot be decoded as a picture (no format that can be read)",
        "densenet-sweep: error: 1 of 2 files could not be read as a picture, and are not counted",
    ]

    for name in ("train", "grey"):
        (tmp_path / name / "zebra").mkdir(parents=True)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "grey" / "zebra" / "a.png")
    (tmp_path / "split").mkdir()
    (tmp_path / "train").rename(tmp_path / "split" / "train")
    for arguments, message in (
        (["grey"], "class zebra: the model has no such; its classes are dark, light"),
        (["split"], "split: has folders of splits; one of split/train is accepted"),
        (["new", "--split", "test"], "--split test: is for tables; new/test may be the folder that you mean"),
        (
            ["split/train"],
            "split/train: no pictures in its class folders; a folder with one folder of pictures a class is accepted",
        ),
        (["table.csv", "--label-column", "sort"], "table.csv: has no column sort; it has path, label, split"),
        (["table.csv", "--split", "third"], "table.csv: split third: one of train, training, "),
        (["none.csv"], "data.table=none.csv: no such file"),
        (["new", "seed=1"], "seed=1: one FOLDER or TABLE is accepted, and overrides of tracking and trusted_targets"),
    ):
        typed = command("evaluate", run_id, *arguments)
        assert typed.exit_code == 1, arguments
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
        assert (typed.err.count("\n"), typed.out) == (1, "")
