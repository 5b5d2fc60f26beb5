"""What changes of the recipe are worth: validation accuracy, and epochs to a given one, of a small DenseNet.

    python benchmarks/recipes.py [--recipe NAME ...] [--seeds N]

Trains BC-16-10 (30,810 weights) on 6,000 images of Fashion-MNIST at 14 px for 12 epochs, as the command would with the
overrides that stand below, once with each seed; a seed gives all recipes the same first weights and the same order of images.
Printed for each recipe are the accuracy on the 6,000 validation images after the last epoch (mean, standard deviation over
seeds), the mean difference from the first recipe with the same seeds and its standard error, and the mean number of the first
epoch with at least the accuracy --target. The test set is not read.

Recipes with another net are set against one another alone:

    python benchmarks/recipes.py --recipe quickstart "quickstart, muon 0.2"
    python benchmarks/recipes.py --seeds 2 --recipe whole "whole, lr 0.2" "whole, muon 0.2"
    python benchmarks/recipes.py --seeds 2 --recipe deep "deep, muon 0.2"
    python benchmarks/recipes.py --seeds 2 --recipe "ten epochs" "ten epochs, muon 0.2"

Each epoch of each training is a line of --table, if it is given; what is there already is not trained again.
"""

import argparse
import csv
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from densenet_sweep.config import composition
from densenet_sweep.run.recording import Job
from densenet_sweep.run.train import train

EPOCHS = 12
COMMON = (
    "data=fashion_mnist", "data.num_train=6000", "data.image_size=14", "architecture=densenet_bc", "architecture.depth=16",
    "architecture.growth_rate=10", "tracking=none", f"epochs={EPOCHS}",
)  # fmt: skip

LINEAR = ("schedule=linear", "schedule.warmup=0")
SMOOTHING = ("label_smoothing=0.1",)
CUTOUT = ("data.augment.cutout_size=4",)
FLIP = ("data.augment.horizontal_flip=true",)
ALTERNATING = ("data.augment.horizontal_flip=alternating",)
# The net and the budget that sweep=quickstart tries first.
QUICKSTART = ("architecture.growth_rate=12", "data.image_size=28", "epochs=4")
# The same on the whole training set; and what sweep=growth_depth_lr tries first, on fewer images than it has.
WHOLE = (*QUICKSTART, "data.num_train=null")
DEEP = (*QUICKSTART, "architecture.depth=40", "data.num_train=12000", "epochs=6")
# The net and the epochs of the config's defaults, on fewer images.
TEN_EPOCHS = (*QUICKSTART, "architecture.depth=22", "data.num_train=12000", "epochs=10")


def muon(lr: float, *others: str) -> tuple[str, ...]:
    """Return the overrides of Muon at this learning rate."""
    return ("optimizer=muon", f"optimizer.lr={lr}", *others)


RECIPES: dict[str, tuple[str, ...]] = {
    "baseline": (),  # Nesterov 0.9 at 0.1, cosine to zero, batch 64, weight decay 1e-4
    "18 epochs": ("epochs=18",),
    "24 epochs": ("epochs=24",),
    "lr 0.05": ("optimizer.lr=0.05",),
    "lr 0.2": ("optimizer.lr=0.2",),
    "lr 0.4": ("optimizer.lr=0.4",),
    "adamw 0.003": ("optimizer=adamw", "optimizer.lr=0.003"),
    "adamw 0.01": ("optimizer=adamw", "optimizer.lr=0.01"),
    "linear": LINEAR,
    "label smoothing 0.1": SMOOTHING,
    "cutout 4": CUTOUT,
    "flip": FLIP,
    "alternating flip": ALTERNATING,
    "muon 0.02": muon(0.02),
    "muon 0.05": muon(0.05),
    "muon 0.1": muon(0.1),
    "muon 0.2": muon(0.2),
    "muon 0.4": muon(0.4),
    "muon 0.2, momentum 0.6": muon(0.2, "optimizer.momentum=0.6"),
    "muon 0.2, momentum 0.95": muon(0.2, "optimizer.momentum=0.95"),
    "muon 0.2, linear": muon(0.2, *LINEAR),
    "muon 0.2, alternating flip": muon(0.2, *ALTERNATING),
    "muon 0.2, label smoothing 0.1": muon(0.2, *SMOOTHING),
    "muon 0.2, 4 epochs": muon(0.2, "epochs=4"),
    "muon 0.2, 6 epochs": muon(0.2, "epochs=6"),
    "muon 0.2, 8 epochs": muon(0.2, "epochs=8"),
    "quickstart": QUICKSTART,
    "quickstart, muon 0.2": muon(0.2, *QUICKSTART),
    "whole": WHOLE,
    "whole, lr 0.2": (*WHOLE, "optimizer.lr=0.2"),
    "whole, muon 0.2": muon(0.2, *WHOLE),
    "deep": DEEP,
    "deep, muon 0.2": muon(0.2, *DEEP),
    "ten epochs": TEN_EPOCHS,
    "ten epochs, muon 0.2": muon(0.2, *TEN_EPOCHS),
}

Run = tuple[str, int]  # recipe, seed
Table = dict[Run, list[tuple[float, float]]]  # (validation accuracy, seconds) of each epoch


def main() -> None:
    """Train what the table lacks, two at a time with one thread each, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=RECIPES, nargs="+", default=list(RECIPES), help="the first is compared with")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, each with one thread")
    parser.add_argument("--target", type=float, default=0.86)
    parser.add_argument("--table", type=Path, help="a CSV file, read and added to")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="when to begin no further training")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    table = read(arguments.table) if arguments.table else {}
    missing = [(name, seed) for seed in range(arguments.seeds) for name in arguments.recipe if (name, seed) not in table]
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for run, epochs in pool.imap_unordered(trained, ((run, until) for run in missing)):
            if not epochs:
                continue
            table[run] = epochs
            if arguments.table:
                append(arguments.table, run, epochs)
            print(f"{run[0]}, seed {run[1]}: {epochs[-1][0]:.4f}, {sum(seconds for _, seconds in epochs):.1f} s", flush=True)
    for line in compared(table, arguments.recipe, arguments.target):
        print(line)


def trained(task: tuple[Run, float]) -> tuple[Run, list[tuple[float, float]]]:
    """Train one network and return its epochs; none if the time is up."""
    run, until = task
    if time.monotonic() > until:
        return run, []
    torch.set_num_threads(1)
    logging.getLogger("densenet_sweep").setLevel(logging.WARNING)
    name, seed = run
    overrides = [*COMMON, *RECIPES[name], f"seed={seed}"]
    with tempfile.TemporaryDirectory() as folder:
        train(composition.typed(composition.compose(overrides)), Job(Path(folder), choices={}, overrides=overrides))
        history = torch.load(Path(folder) / "last.pt", weights_only=True)["history"]
    return run, [(epoch["valid_accuracy"], epoch["epoch_seconds"]) for epoch in history]


def compared(table: Table, recipes: Iterable[str], target: float) -> list[str]:
    """Return the lines of the comparison with the first recipe."""
    first, *_ = recipes
    lines = [f"{'':36} {'accuracy':>8} {'st.dev.':>8} {'difference':>11} {'st.err.':>8} {f'epochs to {target:g}':>15} {'s':>6}"]
    for name in recipes:
        seeds = sorted(seed for recipe, seed in table if recipe == name)
        paired = [seed for seed in seeds if (first, seed) in table]
        if len(paired) < 2:
            continue
        last = {seed: table[name, seed][-1][0] for seed in seeds}
        differences = [last[seed] - table[first, seed][-1][0] for seed in paired]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        reached = [epoch for epoch in (first_epoch(table[name, seed], target) for seed in seeds) if epoch is not None]
        epochs = f"{statistics.fmean(reached):.2f}" if len(reached) == len(seeds) else f"{len(reached)} of {len(seeds)} do"
        seconds = statistics.median(sum(seconds for _, seconds in table[name, seed]) for seed in seeds)
        lines.append(
            f"{name:36} {statistics.fmean(last.values()):8.4f} {statistics.stdev(last.values()):8.4f} "
            f"{statistics.fmean(differences):+11.4f} {error:8.4f} {epochs:>15} {seconds:6.1f}"
        )
    return lines


def first_epoch(epochs: list[tuple[float, float]], target: float) -> int | None:
    """Return the first epoch, counted from 1, with at least this accuracy."""
    return next((number for number, (accuracy, _) in enumerate(epochs, start=1) if accuracy >= target), None)


def read(path: Path) -> Table:
    """Return the file's trainings in the order in which they ended."""
    table: Table = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for name, seed, _, accuracy, seconds in csv.reader(file):
                table.setdefault((name, int(seed)), []).append((float(accuracy), float(seconds)))
    return table


def append(path: Path, run: Run, epochs: list[tuple[float, float]]) -> None:
    """Add the epochs of a training to the file."""
    with path.open("a", encoding="utf-8", newline="") as file:
        rows = (
            (*run, number, round(accuracy, 5), round(seconds, 2)) for number, (accuracy, seconds) in enumerate(epochs, start=1)
        )
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
