"""Record the validation accuracy after every epoch for a whole grid of small DenseNet-BC nets on Fashion-MNIST.

    python benchmarks/record_learning_curves.py

Growth rate x depth x learning rate x weight decay, 216 configurations, each trained for 9 and for 27 epochs of 1,536 images at
10 px with the project's own data, networks and loop, under a cosine schedule; and with the whole schedule compressed into 1
epoch and into 3, which is what an early rung sees whose schedule knows that it is one.

A training is written when it is finished, and what is in the table is not trained again: stopped, this continues. The order is
shuffled with a fixed seed, so that a part of the table is a random sample of the grid.
"""

import argparse
import functools
import itertools
import multiprocessing
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from learning_curves import TABLE, Curve, Training, append, read

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import EvalBatches, TrainBatches
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.data.sources import fashion_mnist
from densenet_sweep.data.split import split
from densenet_sweep.training import optimizers, schedules
from densenet_sweep.training.fit import DivergedError, fit
from densenet_sweep.training.malloc import keep_freed_memory
from densenet_sweep.training.precision import place, resolve_dtype

GROWTH_RATES = (4, 6, 8, 12)
DEPTHS = (10, 16)
LEARNING_RATES = (0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.178, 0.316, 0.562, 1.0)
WEIGHT_DECAYS = (1e-4, 1e-3, 1e-2)
EPOCHS = (9, 1, 3, 27)

IMAGE_SIZE = 10
NUM_TRAIN = 1536
VALID_FRACTION = 0.05  # 3,000 images
BATCH_SIZE = 64
CPU = torch.device("cpu")


def main() -> None:
    """Train the configurations that the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, each with one thread")
    parser.add_argument("--table", type=Path, default=TABLE)
    arguments = parser.parse_args()
    recorded = read(arguments.table)
    missing = [training for training in trainings() if training not in recorded]
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        append(arguments.table, _shown(pool.imap_unordered(record, missing), len(missing)))


def trainings() -> list[Training]:
    """Return the whole grid in its shuffled order, with the full schedule first."""
    grid = list(itertools.product(GROWTH_RATES, DEPTHS, LEARNING_RATES, WEIGHT_DECAYS))
    random.Random(0).shuffle(grid)
    return [Training(*point, epochs) for epochs in EPOCHS for point in grid]


def record(training: Training) -> tuple[Training, Curve]:
    """Train and return the curve."""
    curve = Curve()
    before = time.process_time()

    def stop_the_clock() -> None:
        nonlocal before
        now = time.process_time()
        curve.seconds.append(round(now - before, 3))
        before = now

    try:
        for accuracy in _accuracies(training):
            curve.values.append(round(accuracy, 5))
            stop_the_clock()
    except DivergedError:
        stop_the_clock()
    return training, curve


def _shown(recorded: Iterable[tuple[Training, Curve]], total: int) -> Iterator[tuple[Training, Curve]]:
    for count, (training, curve) in enumerate(recorded, start=1):
        print(f"{count} of {total}: {training}, {sum(curve.seconds):.1f} s, {curve.values[-1:] or 'diverged'}", flush=True)
        yield training, curve


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
        assert epoch.validation is not None
        yield epoch.validation.accuracy


@functools.cache
def _batches() -> tuple[TrainBatches, EvalBatches]:
    """Read the data once per process, and set the process to one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()
    source = fashion_mnist("data", download=True)
    train_images, valid_images = split(source.train, valid_fraction=VALID_FRACTION, num_train=NUM_TRAIN, seed=0)
    preprocessing = Preprocessing(IMAGE_SIZE, *channel_statistics(train_images, normalize=True))
    train_batches = TrainBatches(train_images, preprocessing, Augmentation(), batch_size=BATCH_SIZE, seed=0)
    return train_batches, EvalBatches(valid_images, preprocessing, batch_size=512)


if __name__ == "__main__":
    main()
