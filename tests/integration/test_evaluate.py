"""A model on labelled pictures: what the run itself measured, and whether the model has seen them."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn

from densenet_sweep.models import exported
from densenet_sweep.models import trained as trained_module
from densenet_sweep.models.classifier import Classifier, Signature
from densenet_sweep.tracking import store

TINY = ["architecture.depth=10", "architecture.growth_rate=4", "epochs=1", "batch_size=8", "precision=fp32", "num_threads=1"]
READ = [
    "data=image_table",
    "data.table=table.csv",
    "data.root=.",
    "data.num_channels=1",
    "data.image_size=8",
    "tracking.system_metrics=false",
]


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

    (tmp_path / "lists").mkdir()
    shutil.copy(tmp_path / "table.csv", tmp_path / "lists" / "new.csv")
    for root in ([], ["data.root='.'"]):  # that of the training, and one that is given
        typed = command("evaluate", run_id, "lists/new.csv", "--split", "test", "--format", "json", *root)
        assert (typed.exit_code, json.loads(typed.out)["metrics"]) == (0, found["metrics"])

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
        (["none.csv"], "none.csv: no such file"),
        (
            ["new", "seed=1"],
            "seed=1: one FOLDER or TABLE is accepted, and overrides of data.root, tracking and trusted_targets",
        ),
        (["new", "data.root=new"], "data.root=new: is for tables, whose paths are relative to it; new is a folder"),
        (["table.csv", "data.root=no"], "data.root=no: no such folder"),
    ):
        typed = command("evaluate", run_id, *arguments)
        assert typed.exit_code == 1, arguments
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
        assert (typed.err.count("\n"), typed.out) == (1, "")


class Halves(nn.Module):
    """The logit of `left` grows with the brightness of the left half, that of `right` with the other's."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 8 * torch.stack([images[..., :4].mean((1, 2, 3)), images[..., 4:].mean((1, 2, 3))], 1) - 4


@pytest.fixture
def halves(tmp_path: Path) -> tuple[list[tuple[float, float]], list[list[int]]]:
    """Write a model of two labels, and a table of 12 pictures of four patients; return probabilities and labels."""
    signature = Signature(
        1, 8, ("left", "right"), is_multi_label=True, thresholds=(0.9, 0.2), thresholds_of="the validation images of trial 3",
        group_column="patient",
    )  # fmt: skip
    made = Classifier(Halves(), signature=signature, mean_C=torch.zeros(1), std_C=torch.ones(1))
    exported.write(tmp_path / "halves.pt2", made.export(), signature, "torch_export")
    generator = np.random.default_rng(0)
    probabilities, labels, rows = [], [], ["path,label,patient"]
    for number in range(12):
        levels = generator.integers(0, 256, 2)
        picture = np.repeat(np.repeat(levels[None], 8, 0), 4, 1).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        probabilities.append(tuple(1 / (1 + np.exp(4 - 8 * levels / 255))))
        has = [int(levels[0] + generator.normal(0, 60) > 128), int(number % 3 == 0)]
        labels.append(has)
        rows.append(
            f"{number}.png,{';'.join(name for name, there in zip(('left', 'right'), has, strict=True) if there)},p{number // 3}"
        )
    (tmp_path / "table.csv").write_text("\n".join(rows))
    return probabilities, labels


def test_several_labels_a_picture_are_evaluated_by_groups_and_marked(command, halves, tmp_path):
    probabilities, labels = halves
    typed = command("evaluate", "halves.pt2", "table.csv", "--label-separator", ";", "--format", "json")
    assert (typed.exit_code, typed.err) == (0, "")
    found = json.loads(typed.out)
    assert found["metrics"]["auroc"]["value"] == pytest.approx(roc_auc_score(labels, probabilities))
    assert (found["group_column"], found["num_groups"]) == ("patient", 4)
    assert [(it["name"], it["threshold"], it["num_images"]) for it in found["classes"]] == [
        (name, threshold, sum(having[index] for having in labels))
        for index, (name, threshold) in enumerate((("left", 0.9), ("right", 0.2)))
    ]
    predicted = [[p[0] >= 0.9, p[1] >= 0.2] for p in probabilities]
    hits = [sum(is_said[1] and has[1] for is_said, has in zip(predicted, labels, strict=True)), sum(has[1] for has in labels)]
    assert found["classes"][1]["recall"] == pytest.approx(hits[0] / hits[1])
    alone = json.loads(
        command("evaluate", "halves.pt2", "table.csv", "--label-separator=;", "--group-column=path", "--format=json").out
    )
    assert alone["metrics"]["auroc"]["interval"] != found["metrics"]["auroc"]["interval"]
    said = " ".join(command("evaluate", "halves.pt2", "table.csv", "--label-separator", ";").out.split())
    assert "The intervals are from drawing 4 groups of patient, not pictures." in said
    assert "Recall, specificity, precision and F1 are at the threshold, chosen on the validation images of trial 3." in said

    typed = command("predict", "halves.pt2", "*.png", "--output", "all.csv")
    assert "predicted: at or above thresholds chosen on the validation images of trial 3" in typed.out
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        rows = {int(Path(row["path"]).stem): row for row in csv.DictReader(file)}
    names = ["|".join(name for name, it in zip(("left", "right"), marks, strict=True) if it) for marks in predicted]
    assert [rows[number]["predicted"] for number in range(12)] == names
    assert {"", "left", "right", "left|right"} >= set(names) > {"right"}
    [entry] = json.loads(command("predict", "halves.pt2", "0.png", "--top=1", "--format=json").out)
    assert (entry["predicted"], len(entry["classes"])) == ([name for name in names[0].split("|") if name], 1)
    shown = command("predict", "halves.pt2", "0.png", "--top=1").out
    assert shown.count("yes") == sum(predicted[0])

    (tmp_path / "sorted" / "left").mkdir(parents=True)
    (tmp_path / "0.png").rename(tmp_path / "sorted" / "left" / "0.png")
    (tmp_path / "0.png").symlink_to(tmp_path / "sorted" / "left" / "0.png")
    for arguments, message in (
        (["sorted"], "sorted: the model gives any number of labels a picture; a table that lists them is accepted"),
        (["table.csv"], "class left;right: the model has no such; its classes are left, right"),
        (
            ["table.csv", "--label-separator=;", "--group-column=site"],
            "table.csv: has no column site; it has path, label, patient",
        ),
    ):
        typed = command("evaluate", "halves.pt2", *arguments)
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
