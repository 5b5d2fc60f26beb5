"""Does DenseNet need fewer weights than ResNet for the same accuracy, and fewer seconds? Both families at several sizes.

    python benchmarks/densenet_or_resnet.py [--minutes M] [--processes N] [--picture FILE]

Trains DenseNet-BC and the ResNets for small images on 6,000 images of Fashion-MNIST at 14 px for eight epochs with Muon and a
cosine, as sweep=quickstart does. Each network chooses among the learning rates by the validation accuracy of seed 0, and is
then trained with seeds 1 to 3, which alone are shown: mean, standard deviation, weights, multiply-accumulates and processor
seconds on one thread. The test set is not read.

Each training is a line of --table; what is there is not trained again.
"""

import argparse
import csv
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from timed_training import accuracy_and_seconds

from densenet_sweep.architectures.description import describe
from densenet_sweep.config import composition
from densenet_sweep.drawing import png, theme
from densenet_sweep.drawing.scene import Axis, Line, Mark, Panel, Picture, Points, Symbol
from densenet_sweep.run.train import build_network

COMMON = ("data=fashion_mnist_14px", "data.num_train=6000", "epochs=8", "optimizer=muon", "tracking=none")
LEARNING_RATES = ("0.06", "0.15")
CHOOSING, SHOWN = 0, (1, 2, 3)  # seeds
STYLES: dict[str, tuple[str, Symbol]] = {"DenseNet-BC": (theme.BLUE, "circle"), "ResNet": (theme.ORANGE, "diamond")}


class Network(NamedTuple):
    """A network of one of the families."""

    family: str
    depth: int
    width: int  # the growth rate, or the maps of the first stage

    @property
    def overrides(self) -> list[str]:
        """What chooses it."""
        if self.family == "ResNet":
            return ["architecture=resnet", f"architecture.depth={self.depth}", f"architecture.width={self.width}"]
        return ["architecture=densenet_bc", f"architecture.depth={self.depth}", f"architecture.growth_rate={self.width}"]

    def __str__(self) -> str:
        return f"{self.family} L{self.depth} {'w' if self.family == 'ResNet' else 'k'}{self.width}"


NETWORKS = (
    *(Network("DenseNet-BC", depth, rate) for depth, rate in ((10, 8), (16, 8), (16, 12), (22, 12), (22, 16))),
    *(Network("ResNet", depth, width) for depth, width in ((8, 6), (8, 8), (8, 12), (14, 12), (14, 16), (20, 16))),
)


class Training(NamedTuple):
    """A network that is trained with a learning rate and a seed."""

    network: Network
    lr: str
    seed: int


class Size(NamedTuple):
    """What a network costs, and what it reached."""

    num_parameters: int
    num_macs: int
    seconds: float
    accuracy: float
    deviation: float


Results = dict[Training, tuple[float, float]]  # validation accuracy after the last epoch, processor seconds


def main() -> None:
    """Train what the table lacks, print the comparison, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("build/densenet_or_resnet.csv"))
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, each with one thread")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="when to begin no further training")
    parser.add_argument("--picture", type=Path, help="a PNG file")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    arguments.table.parent.mkdir(parents=True, exist_ok=True)
    results = read(arguments.table)
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for wanted in (choosing, shown):
            missing = [training for training in wanted(results) if training not in results]
            for training, result in pool.imap_unordered(record, ((training, until) for training in missing)):
                if result is None:
                    continue
                results[training] = result
                append(arguments.table, training, result)
                print(
                    f"{training.network}, lr {training.lr}, seed {training.seed}: {result[0]:.4f}, {result[1]:.1f} s",
                    flush=True,
                )
    sizes = measured(results)
    print(f"{'':20}{'weights':>9}{'macs':>12}{'seconds':>9}{'accuracy':>10}{'st.dev.':>9}")
    for network, it in sizes.items():
        print(f"{network!s:20}{it.num_parameters:9,}{it.num_macs:12,}{it.seconds:9.1f}{it.accuracy:10.4f}{it.deviation:9.4f}")
    if arguments.picture is not None:
        arguments.picture.write_bytes(png.draw(picture(sizes)))


def choosing(results: Results) -> list[Training]:
    """Return the trainings by which each network's learning rate is chosen."""
    del results
    return [Training(network, lr, CHOOSING) for network in NETWORKS for lr in LEARNING_RATES]


def shown(results: Results) -> list[Training]:
    """Return the trainings with the chosen learning rates, of the networks that have one."""
    return [Training(network, lr, seed) for network, lr in chosen(results).items() for seed in SHOWN]


def chosen(results: Results) -> dict[Network, str]:
    """Return the better learning rate of each network that was trained with all of them."""
    rates = {}
    for network in NETWORKS:
        trainings = [Training(network, lr, CHOOSING) for lr in LEARNING_RATES]
        if all(training in results for training in trainings):
            rates[network] = max(trainings, key=lambda training: results[training][0]).lr
    return rates


def record(task: tuple[Training, float]) -> tuple[Training, tuple[float, float] | None]:
    """Train one network and return its result; none if the time is up."""
    training, until = task
    if time.monotonic() > until:
        return training, None
    overrides = [*COMMON, *training.network.overrides, f"optimizer.lr={training.lr}", f"seed={training.seed}"]
    return training, accuracy_and_seconds(overrides)


def measured(results: Results) -> dict[Network, Size]:
    """Return what each network costs and reached, of those that were trained with all seeds that are shown."""
    sizes = {}
    for network, lr in chosen(results).items():
        trained = [results.get(Training(network, lr, seed)) for seed in SHOWN]
        done = [result for result in trained if result is not None]
        if len(done) < len(trained):
            continue
        accuracies, seconds = zip(*done, strict=True)
        config = composition.typed(composition.compose([*COMMON, *network.overrides]))
        description = describe(build_network(config), image_size=config.data.image_size, batch_size=1)
        sizes[network] = Size(
            description.num_parameters, description.num_macs,
            statistics.median(seconds), statistics.fmean(accuracies), statistics.stdev(accuracies),
        )  # fmt: skip
    return sizes


def picture(sizes: dict[Network, Size]) -> Picture:
    """Return the accuracy of both families against weights, multiply-accumulates and seconds, with standard deviations."""
    costs = (("weights", "num_parameters"), ("multiply-accumulates", "num_macs"), ("training time (processor s)", "seconds"))
    panels = []
    for label, name in costs:
        marks: list[Mark] = []
        for family, (colour, symbol) in STYLES.items():
            of_it = sorted((getattr(size, name), size) for network, size in sizes.items() if network.family == family)
            x, y = [cost for cost, _ in of_it], [size.accuracy for _, size in of_it]
            for cost, size in of_it:
                marks.append(Line([cost] * 2, [size.accuracy - size.deviation, size.accuracy + size.deviation], colour))
            marks += [Line(x, y, colour, width=1.2), Points(x, y, colour, family, symbol)]
        panels.append(Panel(Axis(label, is_log=True, is_short=name != "seconds"), Axis("validation accuracy"), tuple(marks)))
    note = f"6,000 images of Fashion-MNIST at 14 px, 8 epochs; mean and standard deviation over {len(SHOWN)} seeds"
    return Picture("densenet_or_resnet", "What accuracy costs DenseNet-BC and ResNet", note, tuple(panels))


def read(path: Path) -> Results:
    """Return the file's results."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            Training(Network(family, int(depth), int(width)), lr, int(seed)): (float(accuracy), float(seconds))
            for family, depth, width, lr, seed, accuracy, seconds in csv.reader(file)
        }


def append(path: Path, training: Training, result: tuple[float, float]) -> None:
    """Add a result to the file."""
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow((*training.network, training.lr, training.seed, *result))


if __name__ == "__main__":
    main()
