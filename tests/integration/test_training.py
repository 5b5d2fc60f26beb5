"""Whole runs of the command on scikit-learn's digits, in this process."""

import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra_async_sweeper import TrialLost
from hydra_async_sweeper.trial import NullTrial, running
from torch import nn

from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.python_api.model import of_run
from densenet_sweep.run import reporting, splits, train
from densenet_sweep.training import checkpoint

TINY = ["data=digits", "architecture.depth=10", "architecture.growth_rate=4", "device=cpu", "precision=fp32"]
NOTHING = ["tracking=none"]


def history(folder: Path) -> list[dict[str, float]]:
    return torch.load(folder / "last.pt", weights_only=True)["history"]


def numbers(folder: Path) -> list[tuple[float, ...]]:
    keys = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr")
    return [tuple(epoch[key] for key in keys) for epoch in history(folder)]


# Train loss, train accuracy, valid loss, valid accuracy after each epoch; a refactoring may not change them. In fp64, where
# they are the same to seven digits with the kernels of every processor: in fp32 their last digits differ, and within 18
# steps that grows to the third digit.
GOLDEN = [
    (2.236083347, 0.205217391, 2.148806254, 0.288194444),
    (1.978279764, 0.320000000, 1.868081411, 0.451388889),
    (1.865393809, 0.383478261, 1.857804192, 0.423611111),
]


class InDouble(nn.Module):
    """A network that computes in fp64."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        return self.network(images_BCHW.double())


def test_the_golden_trace(command, tmp_path, monkeypatch):
    build = train.build_network
    monkeypatch.setattr(train, "build_network", lambda config: InDouble(build(config)))
    command(*TINY, *NOTHING, "epochs=3", "seed=1", "architecture.drop_rate=0.1", f"hydra.run.dir={tmp_path / 'run'}")
    found = [values[:4] for values in numbers(tmp_path / "run")]
    assert found == [pytest.approx(expected, rel=1e-6) for expected in GOLDEN]


def test_a_run_leaves_what_is_needed_to_judge_and_repeat_it(command, tmp_path):
    typed = command(*TINY, *NOTHING, "epochs=2", f"hydra.run.dir={tmp_path / 'run'}")
    assert typed.exit_code == 0, typed.err
    assert typed.out.count("  valid loss ") == 2
    assert (
        f"\nresult    validation accuracy {history(tmp_path / 'run')[-1]['valid_accuracy']:.4f}, validation loss " in typed.out
    )
    assert "\nfolder    run\n" in typed.out
    artifacts = tmp_path / "run" / "artifacts"
    assert {path.name for path in artifacts.iterdir()} == {
        "best.pt", "class_accuracy.csv", "config.yaml", "confusion.csv", "confusion.png", "learning_curves.png"
    }  # fmt: skip
    assert yaml.safe_load((artifacts / "config.yaml").read_text())["architecture"]["growth_rate"] == 4
    (tmp_path / "experiment").mkdir()
    shutil.copy(artifacts / "config.yaml", tmp_path / "experiment" / "again.yaml")
    assert (
        command("--config-dir", str(tmp_path), "experiment=again", *NOTHING, f"hydra.run.dir={tmp_path / 'again'}").exit_code
        == 0
    )
    assert (tmp_path / "again" / "artifacts" / "config.yaml").read_text() == (artifacts / "config.yaml").read_text()
    best = torch.load(artifacts / "best.pt", weights_only=True)
    accuracies = [epoch["valid_accuracy"] for epoch in history(tmp_path / "run")]
    assert best["epoch"] == 1 + accuracies.index(max(accuracies))


def test_an_objective_of_the_outputs_is_shown_and_selects_the_best_epoch(command, tmp_path):
    typed = command(*TINY, *NOTHING, "epochs=2", "data.num_train=200", "objective=log_loss", f"hydra.run.dir={tmp_path}")
    assert typed.exit_code == 0, typed.err
    first, last = history(tmp_path)
    assert [name for name in first if name.startswith("valid_")] == ["valid_log_loss", "valid_accuracy", "valid_loss"]
    assert {name for name in last if name.startswith("valid_")} == {
        "valid_accuracy", "valid_loss", *(f"valid_{name}" for name in OF_OUTPUTS)
    }  # fmt: skip
    assert last["valid_log_loss"] == pytest.approx(last["valid_loss"], rel=1e-5)
    assert f" log_loss {first['valid_log_loss']:.4f}  lr" in typed.out
    best = min((first, last), key=lambda epoch: epoch["valid_log_loss"])
    assert torch.load(tmp_path / "artifacts" / "best.pt", weights_only=True)["epoch"] == best["epoch"]
    assert "objective: valid_log_loss" in (tmp_path / "artifacts" / "config.yaml").read_text()


@pytest.mark.parametrize(
    "recipe",
    [
        [],
        [
            "optimizer=muon",
            "data.augment.horizontal_flip=alternating",
            "data.augment.trivial_augment=1",
            "data.augment.mixup=0.2",
        ],
        ["loss=focal", "loss.class_weights=balanced", "data.sampling=balanced", "objective=macro_f1", "ema_decay=0.95"],
    ],
)
def test_an_interrupted_run_gives_the_numbers_of_an_uninterrupted_one(recipe, command, tmp_path, monkeypatch):
    common = [*TINY, *NOTHING, "epochs=4", "architecture.drop_rate=0.2", "data.augment.crop_padding=1", *recipe]
    common += ["data.num_train=200", "data.valid_fraction=0.05"]  # two threads on a busy machine take their time
    command(*common, "num_threads=2", f"hydra.run.dir={tmp_path / 'whole'}")

    from densenet_sweep.run import folder as run_folder

    monkeypatch.setattr(run_folder, "_REST", 0)
    save, saved = checkpoint.save, []

    def interrupted(path, state, **options):
        save(path, state, **options)
        if path.name == "last.pt":
            saved.append(path)
            if len(saved) == 3:  # before the first epoch, and after two
                raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupted)
    typed = command(*common, "num_threads=2", f"hydra.run.dir={tmp_path / 'parts'}")
    assert typed.exit_code == 130
    assert "interrupted; continue with:" in typed.err
    assert f"hydra.run.dir={tmp_path / 'parts'}" in typed.err
    assert len(history(tmp_path / "parts")) == 2
    torch.manual_seed(99)
    typed = command(*common, f"hydra.run.dir={tmp_path / 'parts'}")
    assert "continuing after epoch 2 of 4" in typed.out
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert checkpoint.load(tmp_path / "parts" / "last.pt")["num_threads"] == 2
    typed = command(*common, "num_threads=1", f"hydra.run.dir={tmp_path / 'parts'}")
    assert "num_threads=1, but this run began with 2: its numbers will be others" in typed.out


@pytest.mark.parametrize(("damaged", "origin"), [(["last.pt"], "previous.pt"), (["last.pt", "previous.pt"], "the start")])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_taken(damaged, origin, command, tmp_path, monkeypatch):
    from densenet_sweep.run import folder as run_folder

    def interrupted(epoch, *rest):
        if epoch.index == 3:
            raise KeyboardInterrupt
        return line_of(epoch, *rest)

    common, run, line_of = [*TINY, *NOTHING, "epochs=4", "data.num_train=200"], tmp_path / "run", reporting.line_of
    command(*common, f"hydra.run.dir={tmp_path / 'whole'}")
    monkeypatch.setattr(run_folder, "_REST", 0)
    with monkeypatch.context() as first:
        first.setattr(reporting, "line_of", interrupted)
        assert command(*common, f"hydra.run.dir={run}").exit_code == 130
    for name in damaged:
        content = bytearray((run / name).read_bytes())
        content[len(content) // 2] ^= 1
        (run / name).write_bytes(content)
        (run / f"{name}.damaged").touch()  # an earlier one is not overwritten
    typed = command(*common, f"hydra.run.dir={run}")
    assert typed.exit_code == 0, typed.err
    [line] = [line for line in typed.out.splitlines() if "its checksum is wrong" in line]
    assert line.endswith(f"training continues from {origin}")
    assert ("continuing after epoch 2 of 4" in typed.out) == (origin == "previous.pt")
    assert numbers(run) == numbers(tmp_path / "whole")
    left = [path.name for path in run.iterdir() if ".pt" in path.name]
    assert sorted(left) == sorted(["last.pt", *(f"{name}.damaged{end}" for name in damaged for end in ("", "-2"))])


def test_another_config_does_not_continue_a_run(command, tmp_path):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    command(*TINY, *NOTHING, "epochs=1", run)
    before = (tmp_path / "run" / "last.pt").read_bytes()
    typed = command(*TINY, *NOTHING, "epochs=1", "optimizer.lr=0.2", run)
    assert typed.exit_code == 1
    assert "optimizer.lr=0.2, but" in typed.err
    assert "was trained with optimizer.lr=0.1" in typed.err
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_a_finished_run_is_not_trained_again(command, tmp_path):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    command(*TINY, *NOTHING, "epochs=1", run)
    typed = command(*TINY, *NOTHING, "epochs=1", run)
    assert typed.exit_code == 0
    assert "epoch 1/1" not in typed.out


def test_divergence_ends_the_run_in_one_line(command):
    typed = command(*TINY, *NOTHING, "optimizer.lr=1e20", "schedule=constant", "epochs=3")
    assert typed.exit_code == 1
    assert "densenet-sweep: error: training diverged: the loss is " in typed.err


def test_plain_grids_work(command, tmp_path):
    typed = command("-m", *TINY, *NOTHING, "epochs=1", "optimizer=sgd,adamw", "seed=0,1", "hydra.sweep.dir=grid")
    assert typed.exit_code == 0, typed.err
    assert sorted(path.name for path in (tmp_path / "grid").iterdir() if path.is_dir()) == ["0", "1", "2", "3"]


def test_a_compiled_run_trains_the_same_net(command, tmp_path, monkeypatch):
    # The backend that only captures: no compiler is needed, and the graph is really used.
    compiled = []
    original = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda network, **options: compiled.append(1) or original(network, backend="eager", **options)
    )
    command(*TINY, *NOTHING, "epochs=1", f"hydra.run.dir={tmp_path / 'plain'}")
    command(*TINY, *NOTHING, "epochs=1", "compile=true", f"hydra.run.dir={tmp_path / 'compiled'}")
    assert compiled == [1]
    assert numbers(tmp_path / "compiled") == [pytest.approx(values) for values in numbers(tmp_path / "plain")]


def test_memory_that_is_not_measured_is_no_objective_and_no_metric(command, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "reset_peak", lambda: False)
    monkeypatch.setattr("densenet_sweep.training.malloc.reset_peak", lambda: False)
    typed = command(*TINY, *NOTHING, "objective=peak_memory_bytes")
    assert typed.exit_code == 1
    assert typed.err.startswith("densenet-sweep: error: objective=peak_memory_bytes: this system does not tell what one")
    assert command(*TINY, *NOTHING, "epochs=1", "hydra.run.dir=run").exit_code == 0
    assert "peak_memory_bytes" not in history(tmp_path / "run")[0]


def test_a_folder_belongs_to_one_command_at_a_time(command, tmp_path, monkeypatch):
    run, run_again = "hydra.run.dir=run", []
    line_of = reporting.line_of

    def meanwhile(epoch, *rest):
        if not run_again:
            script = [sys.executable, "-m", "densenet_sweep", *TINY, *NOTHING, "epochs=2", "seed=5", run]
            before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
            environment = {**os.environ, "HYDRA_FULL_ERROR": "0"}  # which this process has set for itself
            run_again.append(subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False))
            assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before
        return line_of(epoch, *rest)

    monkeypatch.setattr(reporting, "line_of", meanwhile)
    assert command(*TINY, *NOTHING, "epochs=2", run).exit_code == 0
    [second] = run_again
    assert second.returncode == 1
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    assert second.stderr == (
        f"densenet-sweep: error: {tmp_path / 'run'}: {owner} trains there; wait until it has ended, or choose another folder\n"
    )
    assert not list((tmp_path / "run").glob(".in_use"))


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_other_precisions_train(command, precision):
    typed = command("data=digits", "architecture.depth=10", *NOTHING, "epochs=1", f"precision={precision}")
    assert typed.exit_code == 0, typed.err


@pytest.mark.parametrize("architecture", ["densenet", "densenet_bc", "resnet18", "resnet"])
def test_small_image_families_train_on_digits(command, architecture):
    smaller = {
        "densenet": ["architecture.depth=7"],
        "densenet_bc": ["architecture.depth=10"],
        "resnet18": [],
        "resnet": ["architecture.depth=8"],
    }
    typed = command("data=digits", f"architecture={architecture}", *smaller[architecture], *NOTHING, "epochs=1")
    assert typed.exit_code == 0, typed.err


def test_a_users_own_pictures_train(command, tmp_path):
    from PIL import Image

    for index, name in enumerate(("cats", "dogs", "emus")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (16, 16), (80 * index, 5 * number, 9)).save(tmp_path / "pictures" / name / f"{number}.png")
    typed = command(
        "data=image_folder", "data.root=pictures", "data.image_size=16", "data.valid_fraction=0.3", "batch_size=8",
        "architecture.depth=10", "epochs=1", *NOTHING, "hydra.run.dir=run",
    )  # fmt: skip
    assert typed.exit_code == 0, typed.err
    assert "cats" in (tmp_path / "run" / "artifacts" / "class_accuracy.csv").read_text()
    (tmp_path / "pictures" / "gnus").mkdir()
    typed = command("data=image_folder", "data.root=pictures", "data.image_size=16", *NOTHING, "hydra.run.dir=other")
    assert typed.exit_code == 1
    assert typed.err.startswith("densenet-sweep: error: class gnus has no image: a class needs an image for training and")


def test_pictures_with_several_labels_train_and_are_predicted(command, tmp_path):
    import numpy as np
    from PIL import Image

    rows, generator = ["path,label"], np.random.default_rng(0)
    for index in range(60):
        levels = generator.integers(0, 40, (8, 8)).astype(np.uint8)
        has = [index % 2 == 0, index % 3 == 0]
        levels[:, :4] += 200 * has[0]
        levels[:, 4:] += 200 * has[1]
        Image.fromarray(levels).save(tmp_path / f"{index}.png")
        rows.append(f"{index}.png,{'|'.join(name for name, there in zip(('edge', 'mass'), has, strict=True) if there)}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    typed = command(
        "data=image_table", "data.table=table.csv", "data.image_size=8", "data.num_channels=1", "data.valid_fraction=0.3",
        "data.augment.horizontal_flip=false", "loss=binary_cross_entropy", "loss.class_weights=balanced", "objective=auroc",
        "batch_size=8", "epochs=2", "architecture.depth=10", "architecture.growth_rate=4", *NOTHING, "hydra.run.dir=run",
    )  # fmt: skip
    assert typed.exit_code == 0, typed.err
    assert set(history(tmp_path / "run")[-1]) >= {"valid_auroc", "valid_average_precision", "valid_macro_f1", "valid_log_loss"}
    artifacts = tmp_path / "run" / "artifacts"
    assert not (artifacts / "confusion.png").exists()
    with (artifacts / "labels.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["label"] for row in table] == ["edge", "mass"]
    model = of_run(artifacts)
    assert model.is_multi_label
    assert [f"{threshold:.4f}" for threshold in model.thresholds] == [row["threshold"] for row in table]
    probabilities_NK = model(np.zeros((2, 8, 8), np.uint8))
    assert probabilities_NK.shape == (2, 2)
    assert probabilities_NK.sum(axis=1) != pytest.approx(1.0)
    typed = command("data=image_table", "data.table=table.csv", "data.image_size=8", *NOTHING, "hydra.run.dir=other")
    assert typed.err.startswith("densenet-sweep: error: loss=cross_entropy: the images have several labels each")


PICTURES = [
    "data=image_folder", "data.root=pictures", "data.image_size=8", "data.valid_fraction=0.3", "batch_size=8", "epochs=2",
    "architecture.depth=10", "architecture.growth_rate=4", "device=cpu", "precision=fp32", *NOTHING,
]  # fmt: skip


@pytest.fixture
def paint(tmp_path: Path) -> Callable[[int], None]:
    """Make a folder of pictures, which differ by one level in one of them."""
    from PIL import Image

    def write(level: int) -> None:
        for name in ("cats", "dogs"):
            (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
            for number in range(10):
                colour = (level if (name, number) == ("dogs", 3) else 7 * number, 100, 200)
                Image.new("RGB", (8, 8), colour).save(tmp_path / "pictures" / name / f"{number}.png")
        splits._read.cache_clear()

    return write


def test_the_range_of_16_bit_pictures_is_that_of_training_in_every_use(command, tmp_path, capsys):
    import json

    import numpy as np
    from PIL import Image

    from densenet_sweep.commands import predict
    from densenet_sweep.models import exported, trained

    levels = {"train": (2000, 1000), "VAL": (2500, 0), "Test": (1700, 1300)}
    for split, pair in levels.items():
        for name, level in zip(("cats", "dogs"), pair, strict=True):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            for number in range(3):
                array = np.full((8, 12), max(level - number, 0), np.uint16)
                Image.fromarray(array).save(tmp_path / "pictures" / split / name / f"{number}.png")
    wide = [*PICTURES, "epochs=1", "data.num_channels=1", "data.image_size=[8,12]", "data.resize=stretch", "hydra.run.dir=run"]
    typed = command(*wide)
    assert typed.exit_code == 0, typed.err
    found = "train 6 (cats 3, dogs 3), valid 6 (cats 3, dogs 3), test 6 (cats 3, dogs 3); values 998 (black) to 2000 (white)"
    assert found in typed.out
    assert checkpoint.load(tmp_path / "run" / "artifacts" / "best.pt")["value_range"] == [998, 2000]
    classifier = trained.classifier(tmp_path / "run" / "artifacts")
    assert (classifier.signature.value_range, classifier.signature.range_is_found) == ((998, 2000), True)
    assert (classifier.signature.image_size, classifier.signature.resize) == ((8, 12), "stretch")
    exported.write(tmp_path / "model.pt2", classifier.export(), classifier.signature, "torch_export")
    predict.main([str(tmp_path / "model.pt2"), str(tmp_path / "pictures" / "VAL" / "cats" / "0.png"), "--format=json"])
    [shown] = json.loads(capsys.readouterr().out)
    probabilities = classifier(torch.full((1, 1, 8, 12), 255, dtype=torch.uint8))[0]
    assert {it["class"]: it["probability"] for it in shown["classes"]} == pytest.approx(
        dict(zip(("cats", "dogs"), probabilities.tolist(), strict=True)), abs=1e-5
    )


def test_a_run_is_not_continued_on_other_pictures(command, tmp_path, paint):
    paint(100)
    assert command(*PICTURES, "hydra.run.dir=run").exit_code == 0
    assert command(*PICTURES, "hydra.run.dir=run").exit_code == 0
    paint(101)
    typed = command(*PICTURES, "hydra.run.dir=run")
    assert typed.exit_code == 1
    assert typed.err.startswith("densenet-sweep: error: data.root=pictures: the digest of its images is ")
    assert typed.err.endswith(": put them back, or choose another hydra.run.dir\n")
    last = checkpoint.load(tmp_path / "run" / "last.pt")
    del last["images"]  # as older versions wrote it
    checkpoint.save(tmp_path / "run" / "last.pt", last)
    assert command(*PICTURES, "hydra.run.dir=run").exit_code == 0


def test_a_study_is_not_continued_on_other_pictures(command, paint):
    from densenet_sweep.results.studies import find

    def states():
        return [trial.state.name for trial in find("pictures").load().trials]

    searched = ["architecture.depth=choice(10)", "architecture.growth_rate=choice(4,6)", "rungs=[]"]
    settings = ["hydra/launcher=basic", "hydra/sweeper/pruner=none", "hydra.sweeper.study_name=pictures"]
    swept = ["sweep=growth_depth_lr", *PICTURES, *searched, *settings]
    paint(100)
    assert command(*swept, "hydra.sweeper.n_trials=1").exit_code == 0
    paint(101)
    typed = command(*swept, "hydra.sweeper.n_trials=2")
    assert typed.exit_code == 1
    assert "data.root=pictures: the digest of its images is " in typed.err
    assert "another hydra.sweeper.study_name starts a new study beside pictures" in typed.err
    assert states() == ["COMPLETE", "WAITING"]
    paint(100)
    assert command(*swept, "hydra.sweeper.n_trials=2").exit_code == 0
    paint(101)
    third = command(*swept, "hydra.sweeper.n_trials=3", "hydra.sweeper.allow_config_change=true")
    assert third.exit_code == 0, third.err
    assert states() == ["COMPLETE", "COMPLETE", "COMPLETE"]


def test_neither_a_confirmation_nor_its_champion_is_trained_on_other_pictures_than_the_sweep(command, paint):
    searched = ["architecture.depth=choice(10)", "architecture.growth_rate=choice(4,6)", "rungs=[]", "hydra/launcher=basic"]
    swept = ["sweep=growth_depth_lr", *PICTURES, *searched, "hydra/sweeper/pruner=none", "hydra.sweeper.study_name=pictures"]
    confirm = ["confirm", "pictures", "--top", "1", "--seeds", "2", "hydra/launcher=basic", "tracking=none"]
    final = [
        "final",
        "--config-dir",
        "outputs/confirmations/pictures-confirmation-of-1",
        "experiment=champion",
        "tracking=none",
    ]
    paint(100)
    assert command(*swept, "hydra.sweeper.n_trials=1").exit_code == 0
    paint(101)
    refused = command(*confirm)
    assert refused.exit_code == 1
    assert "error: data.root=pictures: the digest of its images is " in refused.err
    assert ", but the study pictures has " in refused.err
    paint(100)
    assert command(*confirm).exit_code == 0
    paint(101)
    refused = command(*final)
    assert refused.exit_code == 1
    assert "error: data.root=pictures: the digest of its images is " in refused.err
    paint(100)
    assert command(*final).exit_code == 0


def test_the_test_set_is_not_read(command, monkeypatch):
    from densenet_sweep.data import sources

    reads = []
    original = sources.digits

    def counting(root, *, download):
        source = original(root, download=download)
        return type(source)(source.class_names, source.train, lambda: reads.append(1))

    monkeypatch.setattr(sources, "digits", counting)
    assert command(*TINY, *NOTHING, "epochs=1", "split_seed=3".replace("split_seed", "data.split_seed")).exit_code == 0
    assert reads == []


def test_a_single_run_in_mlflow(command, tmp_path):
    typed = command(*TINY, "epochs=2", "tracking.system_metrics=false")
    assert typed.exit_code == 0, typed.err
    [run] = recorded(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.params["architecture"] == "densenet_bc"
    assert run.data.params["architecture.growth_rate"] == "4"
    assert run.data.params["optimizer.lr"] == "0.1"
    names = {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "epoch_seconds", "images_per_second"}
    names |= {f"valid_{name}" for name in OF_OUTPUTS}
    of_classes = {name for name in run.data.metrics if "/" in name}
    assert {f"valid_recall/{digit}" for digit in range(10)} <= of_classes
    assert names | {"num_parameters", "peak_memory_bytes", "total_seconds"} == set(run.data.metrics) - of_classes
    assert run.data.tags["overrides"].startswith("data=digits architecture.depth=10")
    assert run.data.tags["device.type"] == "cpu"
    assert "git.commit" in run.data.tags


def test_a_failed_run_is_failed_in_mlflow(command, tmp_path):
    command(*TINY, "optimizer.lr=1e20", "schedule=constant", "tracking.system_metrics=false")
    [run] = recorded(tmp_path)
    assert run.info.status == "FAILED"
    assert "the loss is" in run.data.tags["trial.reason"]


def test_a_run_that_ends_in_its_first_epoch_is_continued_in_the_same_record(command, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt
        yield

    common = [*TINY, "epochs=2", "tracking.system_metrics=false", "hydra.run.dir=run"]
    with monkeypatch.context() as patched:
        patched.setattr("densenet_sweep.run.network_training.fit", interrupted)
        assert command(*common).exit_code == 130
    assert history(tmp_path / "run") == []
    assert [run.info.status for run in recorded(tmp_path)] == ["KILLED"]
    assert command(*common).exit_code == 0
    [run] = recorded(tmp_path)
    assert run.info.status == "FINISHED"
    assert len(history(tmp_path / "run")) == 2


def recorded(folder: Path) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlruns/mlflow.db")
    return list(client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]))


def test_what_a_killed_process_recorded_is_not_recorded_again(command, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from densenet_sweep.run import folder as run_folder
    from densenet_sweep.tracking import mlflow_record

    monkeypatch.setattr(run_folder, "_REST", 10**9)  # the first epoch is in a file, the others are not
    monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", 0)
    last = tmp_path / "run" / "last.pt"
    line_of, after_the_first = reporting.line_of, []

    def interrupted(epoch, *rest):
        if epoch.index == 1:
            after_the_first.append(last.read_bytes())
        if epoch.index == 3:
            raise KeyboardInterrupt
        return line_of(epoch, *rest)

    arguments = [*TINY, "epochs=5", "tracking.system_metrics=false", f"hydra.run.dir={tmp_path / 'run'}"]
    with monkeypatch.context() as first:
        first.setattr(reporting, "line_of", interrupted)
        assert command(*arguments).exit_code == 130
    last.write_bytes(after_the_first[0])  # as kill -9 would have left it
    typed = command(*arguments)
    assert "continuing after epoch 1 of 5" in typed.out
    [run] = recorded(tmp_path)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    for metric in ("valid_accuracy", "epoch_seconds"):
        assert [it.step for it in client.get_metric_history(run.info.run_id, metric)] == [1, 2, 3, 4, 5]


class AttemptAtATrial(NullTrial):
    """A trial of a study as one attempt sees it: what an earlier one annotated, and the reports of both."""

    number = 0
    study_name = "far"

    def __init__(self, earlier: dict[str, Any], reports: dict[int, float], *, dies_at: int | None) -> None:
        self.annotations = dict(earlier)
        self.annotated = earlier
        self.reports = reports
        self.known = set(reports)
        self.dies_at = dies_at

    def annotate(self, key: str, value: object, *, is_copied: bool = True) -> None:  # noqa: ARG002
        self.annotated[key] = value

    def restart(self, step: int) -> None:
        self.known = {known for known in self.known if known <= step}

    def report(self, value: float, step: int) -> None:
        if step not in self.known:
            self.reports[step] = value
        if step == self.dies_at:
            raise TrialLost("as good as dead: nothing more is written")


@pytest.mark.parametrize("num_sent", [1, 3])
def test_where_no_folder_is_shared_an_attempt_goes_on_with_the_run_that_the_study_names(tmp_path, monkeypatch, num_sent):
    from densenet_sweep.config import composition
    from densenet_sweep.run.recording import Job
    from densenet_sweep.tracking import mlflow_record
    from densenet_sweep.tracking.store import connect

    monkeypatch.chdir(tmp_path)
    overrides = [*TINY, "epochs=4", "tracking.system_metrics=false"]
    kept: dict[str, Any] = {}
    reports: dict[int, float] = {}
    rest = mlflow_record._REST_OF_EPOCHS
    for host, dies_at, seed in (("one", 3, 0), ("two", None, 1)):  # another seed stands for another machine's numbers
        monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", 0 if num_sent == 3 else 10**9)
        trial = AttemptAtATrial(kept, reports, dies_at=dies_at)
        job = Job(tmp_path / host, {"architecture": "densenet_bc", "data": "digits"}, overrides)
        config = composition.typed(composition.compose([*overrides, f"seed={seed}", "optimizer.nesterov=true"]))
        with running(trial), suppress(TrialLost):
            train.train(config, job)
    monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", rest)
    [run] = recorded(tmp_path)
    assert (run.info.run_id, run.info.status) == (kept["mlflow_run_id"], "FINISHED")
    metrics = connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db").get_metric_history(run.info.run_id, "valid_accuracy")
    assert [metric.step for metric in metrics] == [1, 2, 3, 4]
    assert reports == {metric.step: metric.value for metric in metrics}


SWEEP = [
    "sweep=growth_depth_lr", "data=digits", "device=cpu", "epochs=2", "tracking.system_metrics=false",
    "architecture.depth=choice(10)", "architecture.growth_rate=choice(4,6)", "hydra.sweeper.n_trials=3",
]  # fmt: skip


def test_a_sweep_and_its_record(command, tmp_path):
    typed = command(*SWEEP, "hydra.sweeper.pruner.reduction_factor=2")
    assert typed.exit_code == 0, typed.err
    folder = tmp_path / "outputs" / "sweeps" / "growth_depth_lr-digits"
    assert (folder / "study.journal").is_file()
    assert not list(folder.glob("*/last.pt"))  # finished trials are never continued
    assert "study growth_depth_lr-digits" in typed.out
    for following in ("densenet-sweep ui", "densenet-sweep compare growth_depth_lr-digits", "experiment=best"):
        assert following in typed.out
    runs = recorded(tmp_path)
    [parent] = [run for run in runs if run.data.tags.get("role") == "study"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.data.tags["trial.number"] for run in children) == ["0", "1", "2"]
    states = {run.data.tags["trial.state"]: run.info.status for run in children}
    assert states.items() <= {"complete": "FINISHED", "pruned": "KILLED"}.items()
    assert parent.info.status == "FINISHED"
    compared = command("compare")
    assert "growth_depth_lr-digits" in compared.out
    assert compared.exit_code == 0
    best = command("--config-dir", str(folder), "experiment=best", "--cfg", "job")
    from densenet_sweep.results.studies import find

    trial = find(None).load().best_trial
    job = yaml.safe_load(best.out)
    assert job["architecture"]["growth_rate"] == trial.params["architecture.growth_rate"]
    assert job["optimizer"]["lr"] == trial.params["optimizer.lr"]
    assert job["epochs"] == 2
    assert job["num_threads"] == 1
    again = command("--config-dir", str(folder), "experiment=best", "device=cpu", *NOTHING)
    assert f"the same numbers as trial {trial.number} of study growth_depth_lr-digits: valid_accuracy 0." in again.out


def test_a_killed_command_leaves_no_run_open_after_the_next(tmp_path):
    arguments = [sys.executable, "-m", "densenet_sweep", *SWEEP, "epochs=60", "hydra.sweeper.n_trials=1"]
    arguments += ["hydra/sweeper/pruner=none"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if "epoch 2/60" in line:
                process.send_signal(signal.SIGKILL)
                break
    [study] = (tmp_path / "outputs").glob("**/study.journal")
    assert (study.parent / "0" / "last.pt").exists()
    # Less to do for the second: the trial is continued, in the same run of MLflow, and stopped as a user would.
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        seen, interrupted = [], False
        for line in process.stdout or ():
            seen.append(line)
            if not interrupted and re.search(r"epoch \d+/60 ", line):  # the first of it, wherever the killed one had got
                process.send_signal(signal.SIGINT)
                interrupted = True
    assert any("continuing after epoch" in line for line in seen), seen
    assert any("continue with:" in line for line in seen), seen
    runs = recorded(tmp_path)
    assert len(runs) == 2
    assert {run.info.status for run in runs} == {"KILLED"}


def test_a_budget_of_seconds(command, tmp_path):
    folder = tmp_path / "run"
    typed = command(*TINY, *NOTHING, "epochs=10000", "max_seconds=2", f"hydra.run.dir={folder}")
    assert typed.exit_code == 0, typed.err
    trained = history(folder)
    assert 1 <= len(trained) < 10000
    assert sum(epoch["epoch_seconds"] for epoch in trained) >= 2
    assert (folder / "artifacts" / "confusion.png").is_file()
    again = command(*TINY, *NOTHING, "epochs=10000", "max_seconds=2", f"hydra.run.dir={folder}")
    assert again.exit_code == 0, again.err
    assert history(folder) == trained


def test_how_many_epochs_a_budget_of_seconds_gives_is_not_known(command):
    typed = command(*SWEEP, "hydra/launcher=basic", "epochs=1000", "max_seconds=1", "rungs=[]", "hydra.sweeper.n_trials=1")
    assert typed.exit_code == 0, typed.err
    from densenet_sweep.results.studies import find

    [trial] = find(None).load().trials
    assert trial.state.name == "COMPLETE"
    assert "num_steps" not in trial.user_attrs


RUNGS = [
    *SWEEP, "hydra/launcher=basic", "precision=fp32", "epochs=4", "rungs=[1,3]", "hydra.sweeper.n_trials=4",
    "hydra.sweeper.enqueue=[{architecture.growth_rate:6,optimizer.lr:0.1},{architecture.growth_rate:4,optimizer.lr:0.01}]",
]  # fmt: skip


def test_rungs_come_before_a_trial_and_change_nothing_in_it(command, tmp_path):
    typed = command(*RUNGS)
    assert typed.exit_code == 0, typed.err
    assert "pruned after the rung of 1 epoch\n" in typed.out
    from densenet_sweep.results.studies import find

    folder = tmp_path / "outputs" / "sweeps" / "growth_depth_lr-digits"
    study = find(None).load()
    best = study.best_trial
    assert sorted(best.intermediate_values) == [1, 2, 3, 4]
    plain = command("--config-dir", str(folder), "experiment=best", "device=cpu", f"hydra.run.dir={tmp_path / 'plain'}")
    assert plain.exit_code == 0, plain.err
    assert "rung" not in plain.out
    alone = history(tmp_path / "plain")
    assert alone[-1]["valid_accuracy"] == best.value
    # What stands at a rung's epoch is what the rung gave: a cosine that had ended by then.
    assert best.intermediate_values[1] != alone[0]["valid_accuracy"]
    assert best.intermediate_values[2] == alone[1]["valid_accuracy"]
    assert best.user_attrs["at_rungs"] == {str(rung): alone[rung - 1]["valid_accuracy"] for rung in (1, 3)}
    runs = {run.data.tags["trial.number"]: run for run in recorded(tmp_path) if "trial.number" in run.data.tags}
    complete = runs[str(best.number)].data.metrics
    assert complete["rung_1_valid_accuracy"] == best.intermediate_values[1]
    assert complete["valid_accuracy"] == best.value
    assert best.user_attrs["rung_seconds"] == complete["rung_1_seconds"] + complete["rung_3_seconds"]
    assert best.user_attrs["seconds"] == complete["total_seconds"]
    pruned = next(trial for trial in study.trials if trial.state.name == "PRUNED")
    assert (
        runs[str(pruned.number)].data.metrics["valid_accuracy"] == pruned.intermediate_values[max(pruned.intermediate_values)]
    )


def test_a_promoted_trial_trains_its_rung_no_more_and_is_what_a_plain_run_would_be(command, tmp_path):
    arguments = ["hydra.sweeper.enqueue=[]", "rungs=[1]", "hydra.sweeper.pruner.at_least=1"]
    typed = command(*RUNGS, *arguments)
    assert typed.exit_code == 0, typed.err
    from densenet_sweep.results.studies import find

    study = find(None).load()
    [complete] = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    origin = study.trials[complete.user_attrs["promoted_from"]["trial"]]
    assert f"trial {complete.number} continues trial {origin.number}" in typed.out
    assert f"trial {complete.number} rung" not in typed.out
    assert sorted(complete.intermediate_values) == [1, 2, 3, 4]
    assert complete.intermediate_values[1] == origin.intermediate_values[1]
    folder = tmp_path / "outputs" / "sweeps" / "growth_depth_lr-digits"
    plain = command("--config-dir", str(folder), "experiment=best", "device=cpu", f"hydra.run.dir={tmp_path / 'plain'}")
    assert plain.exit_code == 0, plain.err
    assert history(tmp_path / "plain")[-1]["valid_accuracy"] == complete.value
    [run] = [run for run in recorded(tmp_path) if run.data.tags.get("trial.number") == str(complete.number)]
    assert run.data.tags["trial.promoted_from"] == str(origin.number)
    assert run.info.run_name.startswith(f"trial {complete.number} (from {origin.number}): bc L10 k4 lr ")
    assert run.data.metrics["rung_1_valid_accuracy"] == origin.intermediate_values[1]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    assert [it.step for it in client.get_metric_history(run.info.run_id, "valid_accuracy")] == [1, 2, 3, 4]
    # One meaning of what a trial took, here and in MLflow: its rung included, which another trial trained.
    assert run.data.metrics["passed_seconds"] == origin.user_attrs["seconds"]
    epochs = [it.value for it in client.get_metric_history(run.info.run_id, "epoch_seconds")]
    assert run.data.metrics["total_seconds"] == pytest.approx(origin.user_attrs["seconds"] + sum(epochs))
    assert complete.user_attrs["seconds"] == run.data.metrics["total_seconds"]
    away = tmp_path / "away"
    here = command("compare", "growth_depth_lr-digits", "--format", "csv").out
    (tmp_path / "outputs").rename(away)
    assert command("compare", "growth_depth_lr-digits", "--format", "csv").out == here


def test_what_a_rung_decided_stands_where_the_process_died_before_it_said_so(command, tmp_path, monkeypatch):
    def dies(_):
        raise KeyboardInterrupt

    arguments = [*RUNGS, "hydra.sweeper.enqueue=[]", "rungs=[1]", "hydra.sweeper.n_trials=1"]
    arguments += ["hydra.sweeper.pruner.at_least=0"]
    with monkeypatch.context() as first:
        first.setattr(reporting, "TrialPruned", dies)
        assert command(*arguments).exit_code != 0
    typed = command(*arguments, "hydra.sweeper.pruner.reduction_factor=1")  # by now it would be trained
    assert typed.exit_code == 0, typed.err
    from mlflow import MlflowClient

    [run] = [run for run in recorded(tmp_path) if "trial.number" in run.data.tags]
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    steps = [it.step for it in client.get_metric_history(run.info.run_id, "valid_accuracy")]
    assert steps == [1]
    assert run.data.tags["trial.state"] == "pruned"


def test_a_dry_run_foresees_a_sweep_and_writes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setattr("densenet_sweep.run.first_epoch.seconds", lambda *_, **settings: settings["num_train"] / 100)
    before = sorted(tmp_path.rglob("*"))
    sweep = ["sweep=growth_depth_lr", "data=digits", "data.num_train=200", "--dry-run", "hydra.sweeper.n_jobs=2"]
    typed = command(*sweep, "hydra/sweeper/pruner=none", "epochs=3", "hydra.sweeper.n_trials=6")
    assert typed.exit_code == 0, typed.err
    for line in (
        "study growth_depth_lr-digits: 6 trials",
        "trials    all trained in full (3 epochs)",
        "epochs    about 18 epochs of training in all",
        "in all    about 18 seconds with 2 workers",
    ):
        assert line in typed.out
    assert "mean 2 s (measured on the processor with random pixels, 5 configurations)" in typed.out
    refused = command(*sweep, "epochs=0").err
    assert refused.endswith("epochs=0: a whole number of at least 1 is accepted\n")
    assert refused.count("\n") == 1
    assert command("data=digits", "--dry-run").err.startswith("densenet-sweep: error: --dry-run: a sweep is accepted")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_without_a_pruner_has_no_rungs(command):
    typed = command(*RUNGS, "hydra/sweeper/pruner=none", "hydra.sweeper.n_trials=1")
    assert typed.exit_code == 0, typed.err
    assert "rung" not in typed.out


def test_a_killed_trial_is_continued_behind_its_rungs(command, tmp_path):
    arguments = [*RUNGS, "data.num_train=300", "epochs=20", "hydra.sweeper.n_trials=1"]
    typed = [sys.executable, "-m", "densenet_sweep", *arguments]
    with subprocess.Popen(typed, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        seen = ""
        for line in process.stdout or ():
            seen += line
            if "epoch 2/20" in line:
                process.send_signal(signal.SIGKILL)
                break
    assert " rung 1/1 " in seen
    assert " rung 3/3 " in seen
    again = command(*arguments)
    assert again.exit_code == 0, again.err
    assert "continuing after epoch" in again.out
    assert " rung 1/1 " not in again.out


def test_a_sweep_of_a_loss_minimizes_it(command, tmp_path):
    typed = command(*SWEEP, "hydra/launcher=basic", "objective=valid_loss", "hydra.sweeper.n_trials=1")
    assert typed.exit_code == 0, typed.err
    [description] = (tmp_path / "outputs").glob("**/study.yaml")
    assert yaml.safe_load(description.read_text())["directions"] == ["minimize"]
