"""The recorded table: one row an epoch of one training, as `record_learning_curves.py` writes and `search_efficiency.py` reads.

`epochs` is the length of the schedule. An empty accuracy says that the training diverged in this epoch. `seconds` is processor
time of one thread, for training and validation.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
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


def read(table: Path = TABLE) -> dict[Training, Curve]:
    """Return what has been recorded; nothing where there is no table yet."""
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
    """Write each training as soon as it is handed over."""
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(COLUMNS)
        for training, curve in recorded:
            for index, seconds in enumerate(curve.seconds):
                value = curve.values[index] if index < len(curve.values) else ""
                writer.writerow([*training, index + 1, value, seconds])
            file.flush()
