"""Record the validation accuracy after every epoch for a whole grid of small DenseNet-BC nets on Fashion-MNIST.

    python benchmarks/record_learning_curves.py

Growth rate x depth x learning rate x weight decay, 240 configurations, each trained for 27 epochs of 1,536 images at 14 px with
the project's own data, networks and loop, under a cosine schedule; and again with the whole schedule compressed into 3 epochs
and into 1, which is what a schedule-aware early rung would see. `search_efficiency.py` replays sweeps on the table.

One row an epoch; `epochs` is the length of the schedule. An empty accuracy says that the training diverged in this epoch.
`seconds` is processor time of one thread for training and validation, so it hardly depends on what else the machine does.
A configuration is written when it is finished, and what is in the file is not trained again: stopped, it continues. The order
is shuffled with a fixed seed, so that a part of the table is a random sample of the grid.
"""

import argparse
import csv
import functools
import itertools
import multiprocessing
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import EvalBatches, TrainBatches
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.data.sources import fashion_mnist
from densenet_sweep.data.split import split
from densenet_sweep.training import optimizers, schedules
from densenet_sweep.training.fit import DivergedError, fit
from densenet_sweep.training.memory import keep_freed_memory
from densenet_sweep.training.precision import place, resolve_dtype

TABLE = Path(__file__).with_name("learning_curves.csv")
COLUMNS = ("growth_rate", "depth", "lr", "weight_decay", "epochs", "epoch", "valid_accuracy", "seconds")

GROWTH_RATES = (4, 6, 8, 12)
DEPTHS = (10, 16, 22)
LEARNING_RATES = (0.01, 0.0316, 0.1, 0.316, 1.0)
WEIGHT_DECAYS = (1e-5, 1e-4, 1e-3, 1e-2)
EPOCHS = (27, 3, 1)

IMAGE_SIZE = 14
NUM_TRAIN = 1536
VALID_FRACTION = 0.05  # 3,000 images
BATCH_SIZE = 64
CPU = torch.device("cpu")


class Training(NamedTuple):
    """One training of the grid; `epochs` is the length of its schedule."""

    growth_rate: int
    depth: int
    lr: float
    weight_decay: float
    epochs: int


def main() -> None:
    """Train what the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, each with one thread")
    parser.add_argument("--table", type=Path, default=TABLE)
    asked = parser.parse_args()
    missing = [training for training in trainings() if training not in recorded(asked.table)]
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool, asked.table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        for count, rows in enumerate(pool.imap_unordered(record, missing), start=1):
            writer.writerows(rows)
            file.flush()
            print(f"{count} of {len(missing)}: {rows[-1]}", flush=True)


def trainings() -> list[Training]:
    """Return the whole grid in its shuffled order, with the full schedule first."""
    grid = list(itertools.product(GROWTH_RATES, DEPTHS, LEARNING_RATES, WEIGHT_DECAYS))
    random.Random(0).shuffle(grid)
    return [Training(*point, epochs) for epochs in EPOCHS for point in grid]


def recorded(table: Path) -> set[Training]:
    """Return the trainings that `table` holds."""
    if not table.exists():
        return set()
    with table.open(newline="") as file:
        return {
            Training(int(row[0]), int(row[1]), float(row[2]), float(row[3]), int(row[4]))
            for row in itertools.islice(csv.reader(file), 1, None)
        }


def record(training: Training) -> list[tuple[int | float | str, ...]]:
    """Train and return the rows of the table."""
    rows: list[tuple[int | float | str, ...]] = []
    try:
        before = time.process_time()
        for epoch, accuracy in enumerate(_accuracies(training), start=1):
            now = time.process_time()
            rows.append((*training, epoch, round(accuracy, 5), round(now - before, 3)))
            before = now
    except DivergedError:
        rows.append((*training, len(rows) + 1, "", round(time.process_time() - before, 3)))
    return rows


def _accuracies(training: Training) -> Iterator[float]:
    train_batches, valid_batches = _batches()
    torch.manual_seed(0)
    network = densenet(
        in_channels=1,
        num_classes=10,
        growth_rate=training.growth_rate,
        depth=training.depth,
        block_config=None,
        num_init_features=None,
        bn_size=4,
        compression=0.5,
        drop_rate=0.0,
        stem="small",
        initialization="he",
        conv_bias=False,
        memory_efficient=False,
    )
    network = place(network, CPU)
    optimizer = optimizers.sgd(
        network, lr=training.lr, weight_decay=training.weight_decay, decay_norm_and_bias=True, momentum=0.9, nesterov=True
    )
    epochs = fit(
        network,
        optimizer,
        schedules.cosine(warmup=0.0, final_factor=0.0),
        train_batches=train_batches,
        valid_batches=valid_batches,
        num_batches=train_batches.num_batches,
        epochs=training.epochs,
        dtype=resolve_dtype("auto", CPU),
    )
    for epoch in epochs:
        yield epoch.valid_accuracy


@functools.cache
def _batches() -> tuple[TrainBatches, EvalBatches]:
    """Read the data once a process, which computes with one thread from now on."""
    torch.set_num_threads(1)
    keep_freed_memory()
    source = fashion_mnist("data", download=True)
    train_images, valid_images = split(source.train, valid_fraction=VALID_FRACTION, num_train=NUM_TRAIN, seed=0)
    preprocessing = Preprocessing(IMAGE_SIZE, *channel_statistics(train_images, normalize=True))
    train_batches = TrainBatches(train_images, preprocessing, Augmentation(), batch_size=BATCH_SIZE, seed=0)
    return train_batches, EvalBatches(valid_images, preprocessing, batch_size=512)


if __name__ == "__main__":
    main()
