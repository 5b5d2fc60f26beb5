"""How well rungs of several kinds order the ends of whole trainings, and what they cost.

    python benchmarks/cheap_rungs.py [--minutes M] [--processes N]

Trains 24 configurations (growth rate x depth x learning rate, as in sweep=quickstart) on 3,000 images of Fashion-MNIST: for
four epochs at 28 px, and for each kind of rung, which is a shorter or cheaper training under a whole schedule of its own.
Printed for each kind: Spearman's correlation of the rung's validation accuracy with that after the fourth epoch, and how much
more that is than of an epoch at full size, both with 95 % bootstrap intervals over configurations; how often the best after
the rung is among the best three at the end, over random halves of the configurations; and processor seconds as a share of the
whole training's.

Each training is a line of --table; what is there is not trained again.
"""

import argparse
import csv
import itertools
import multiprocessing
import random
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from timed_training import accuracy_and_seconds

TABLE = Path(__file__).with_name("cheap_rungs.csv")
COMMON = ("data=fashion_mnist", "architecture=densenet_bc", "optimizer=muon", "tracking=none")
SPACE = {
    "architecture.growth_rate": (8, 12, 16),
    "architecture.depth": (10, 16),
    "optimizer.lr": (0.02, 0.06, 0.17, 0.5),
}
WHOLE, EPOCH = "whole", "an epoch"
KINDS = {
    WHOLE: ("epochs=4", "data.num_train=3000"),
    EPOCH: ("epochs=1", "data.num_train=3000"),
    "an epoch at half the sides": ("epochs=1", "data.num_train=3000", "data.image_size=14"),
    "two epochs at half the sides": ("epochs=2", "data.num_train=3000", "data.image_size=14"),
    "an epoch of half the images": ("epochs=1", "data.num_train=1500"),
    "an epoch of a quarter of the images": ("epochs=1", "data.num_train=750"),
}

# Configurations, below which a correlation says nothing.
_FEWEST = 5

Training = tuple[str, *tuple[str, ...]]  # kind, then the values of `SPACE`
Results = dict[Training, tuple[float, float]]  # validation accuracy after the last epoch, processor seconds


def main() -> None:
    """Train what the table lacks, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, each with one thread")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="when to begin no further training")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    results = read(arguments.table)
    missing = [training for training in trainings() if training not in results]
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for training, result in pool.imap_unordered(record, ((training, until) for training in missing)):
            if result is None:
                continue
            results[training] = result
            append(arguments.table, training, result)
            print(
                f"{len(results)} of {len(trainings())}: {', '.join(training)}: {result[0]:.4f}, {result[1]:.1f} s", flush=True
            )
    for line in compared(results):
        print(line)


def trainings() -> list[Training]:
    """Return all trainings: configurations in a shuffled order, all kinds of each together."""
    grid = list(itertools.product(*([str(value) for value in values] for values in SPACE.values())))
    random.Random(0).shuffle(grid)
    return [(kind, *point) for point in grid for kind in KINDS]


def record(task: tuple[Training, float]) -> tuple[Training, tuple[float, float] | None]:
    """Train one network and return its result; none if the time is up."""
    training, until = task
    if time.monotonic() > until:
        return training, None
    kind, *point = training
    overrides = [*COMMON, *KINDS[kind], *(f"{key}={value}" for key, value in zip(SPACE, point, strict=True))]
    return training, accuracy_and_seconds(overrides)


def compared(results: Results) -> list[str]:
    """Return the lines of the comparison, over the configurations that have been trained in all ways."""
    points = [point for kind, *point in trainings() if kind == WHOLE]
    points = [point for point in points if all((kind, *point) in results for kind in KINDS)]
    if len(points) < _FEWEST:
        return [f"{len(points)} configurations are too few to compare"]
    of_kind = {kind: np.array([results[kind, *point] for point in points]) for kind in KINDS}
    whole, costs = of_kind[WHOLE].T
    heads = f"{'correlation':>22} {'more than an epoch':>24} {'best in 3':>10} {'cost':>6}"
    lines = [f"{len(points)} configurations", f"{'':38} {heads}"]
    draws = np.random.default_rng(0).integers(len(points), size=(2000, len(points)))
    halves = [np.random.default_rng(seed).permutation(len(points))[: len(points) // 2] for seed in range(2000)]

    def drawn(rung: np.ndarray) -> np.ndarray:
        return np.array([spearmanr(rung[draw], whole[draw]).statistic for draw in draws])

    of_an_epoch = drawn(of_kind[EPOCH][:, 0])
    for kind, measured in of_kind.items():
        rung, seconds = measured.T
        of_rung = drawn(rung)
        low, high = np.nanquantile(of_rung, (0.025, 0.975))
        least, middle, most = np.nanquantile(of_rung - of_an_epoch, (0.025, 0.5, 0.975))
        hits = np.mean([half[rung[half].argmax()] in half[np.argsort(-whole[half])[:3]] for half in halves])
        correlation = f"{spearmanr(rung, whole).statistic:.2f} ({low:.2f} to {high:.2f})"
        more = f"{middle:+.2f} ({least:+.2f} to {most:+.2f})"
        lines.append(f"{kind:38} {correlation:>22} {more:>24} {hits:10.2f} {seconds.sum() / costs.sum():6.3f}")
    return lines


def read(path: Path) -> Results:
    """Return the file's results."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {(kind, *point): (float(accuracy), float(seconds)) for kind, *point, accuracy, seconds in csv.reader(file)}


def append(path: Path, training: Training, result: tuple[float, float]) -> None:
    """Add a result to the file."""
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow((*training, *result))


if __name__ == "__main__":
    main()
