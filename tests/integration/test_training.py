"""Single runs, as they are typed."""

import csv
import os
import shutil
import socket

import pytest
import torch
import yaml
from small_runs import NOTHING, TINY, history, numbers
from torch import nn

from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.python_api.model import of_run
from densenet_sweep.run import reporting, train

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


def test_a_folder_belongs_to_one_command_at_a_time(command, commands, tmp_path, monkeypatch):
    run, run_again = "hydra.run.dir=run", []
    line_of = reporting.line_of

    def meanwhile(epoch, *rest):
        if not run_again:
            before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
            run_again.append(commands.run(tmp_path, *TINY, *NOTHING, "epochs=2", "seed=5", run))
            assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before
        return line_of(epoch, *rest)

    monkeypatch.setattr(reporting, "line_of", meanwhile)
    assert command(*TINY, *NOTHING, "epochs=2", run).exit_code == 0
    [(exit_code, output)] = run_again
    assert exit_code == 1
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    assert output == (
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
