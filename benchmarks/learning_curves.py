"""The recorded table (`record_learning_curves.py` writes it, `search_efficiency.py` reads it): one row per epoch of a training.

`epochs` is the length of the schedule. An empty accuracy says that the training diverged in this epoch. `seconds` is processor
time of one thread, for training and validation.
"""

import csv
import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("learning_curves.csv")
COLUMNS = ("growth_rate", "depth", "lr", "weight_decay", "epochs", "epoch", "valid_accuracy", "seconds")


class Training(NamedTuple):
    """One training of the grid; `epochs` is the length of its schedule."""

    growth_rate: int
    depth: int
    lr: float
    weight_decay: float
    epochs: int


@dataclass(frozen=True)
class Curve:
    """The value after each epoch and the epoch's seconds; a training that diverged has no value for its last epoch."""

    values: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Grid:
    """All configurations of a table, trained for so many epochs; `rungs` are the same configurations trained for fewer."""

    def __init__(self, table: Mapping[Training, Curve], num_epochs: int) -> None:
        self._table = table
        self.num_epochs = num_epochs
        self.curves = {training: curve for training, curve in table.items() if training.epochs == num_epochs}
        self.complete = {training: curve for training, curve in self.curves.items() if len(curve.values) == num_epochs}
        # The last values of the trainings that did not diverge, best first.
        self.finals = sorted((curve.values[-1] for curve in self.complete.values()), reverse=True)

    @property
    def best(self) -> float:
        """The best known value."""
        return self.finals[0]

    def rung(self, training: Training, epochs: int) -> Curve:
        """Return the configuration's curve under a whole schedule of `epochs`."""
        return self._table[training._replace(epochs=epochs)]

    def nearest(self, rungs: Sequence[int], configuration: Sequence[float]) -> list[Curve]:
        """Return the curves (rungs and whole training) of the recorded configuration that is fewest grid steps away."""
        wanted = _place(*configuration)
        training = min(self.curves, key=lambda training: math.dist(_place(*training[:4]), wanted))
        return [self.rung(training, epochs) for epochs in (*rungs, self.num_epochs)]


def _place(growth_rate: float, depth: float, lr: float, weight_decay: float) -> tuple[float, ...]:
    return growth_rate / 2, depth / 6, 4 * math.log10(lr), math.log10(weight_decay)


@functools.cache
def grid(num_epochs: int) -> Grid:
    """Return the committed table's grid, read once a process."""
    return Grid(read(), num_epochs)


def read(table: Path = TABLE) -> dict[Training, Curve]:
    """Return the recorded trainings; none if there is no table yet."""
    curves: dict[Training, Curve] = defaultdict(Curve)
    if table.exists():
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                key = Training(*(kind(row[name]) for name, kind in Training.__annotations__.items()))
                curves[key].seconds.append(float(row["seconds"]))
                if row["valid_accuracy"]:
                    curves[key].values.append(float(row["valid_accuracy"]))
    return dict(curves)


def append(table: Path, recorded: Iterable[tuple[Training, Curve]]) -> None:
    """Write each training as soon as it is received."""
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        for training, curve in recorded:
            for index, seconds in enumerate(curve.seconds):
                value = curve.values[index] if index < len(curve.values) else ""
                writer.writerow([*training, index + 1, value, seconds])
            file.flush()
