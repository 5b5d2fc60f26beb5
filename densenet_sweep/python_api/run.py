"""`train`: one training run from Python."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from densenet_sweep.config.composition import quoted
from densenet_sweep.python_api import command
from densenet_sweep.python_api.model import Model, of_run
from densenet_sweep.python_api.table import with_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes:
        folder: with its checkpoint, its log and, below `artifacts`, its weights, config and pictures.
        epochs: the metrics of each epoch, by name, as MLflow has them; none of a cross-validation.
        run_id: of its run in MLflow; None without one.
        folds: of a cross-validation, the metrics of each fold.
    """

    folder: Path
    epochs: Sequence[Mapping[str, float]]
    run_id: str | None
    folds: Sequence[Mapping[str, float]] = ()

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of the last epoch, such as `valid_accuracy`; of a cross-validation, their means over the folds."""
        from densenet_sweep.run.folds import means

        return means(self.folds) if self.folds else self.epochs[-1]

    def model(self) -> Model:
        """Return the network of the epoch that was best on the validation images.

        Raises:
            ValueError, FileNotFoundError: its weights are not kept.
        """
        return of_run(self.folder / "artifacts")


def train(overrides: Sequence[str] = (), *, table: "pd.DataFrame | None" = None) -> Run:
    """Train one network, as `densenet-sweep` with the same overrides does, in this process; threads that call it take turns.

    Example:
        >>> run = densenet_sweep.train(["data=digits", "epochs=2"])
        >>> run.metrics["valid_accuracy"]

    Args:
        overrides: in Hydra's grammar; `hydra.run.dir=FOLDER` names the folder, and continues the run that is there.
        table: of one's own pictures, for `data=image_table`; paths are relative to `data.root`, or to the working folder.

    Raises:
        ValueError: what the command would refuse or fail with, in one line.
        KeyboardInterrupt: interrupted; the same call with the run's folder continues.
    """
    is_given = any(override.lstrip("+").startswith("hydra.run.dir=") for override in overrides)
    given = [*with_table(overrides, table), *([] if is_given else [f"hydra.run.dir={quoted(str(_new_folder()))}"])]
    with command.one_at_a_time:
        command.run(given)

        from densenet_sweep.run.artifacts import CHECKPOINT
        from densenet_sweep.run.own_folder import last_claimed
        from densenet_sweep.training import checkpoint

        folder = last_claimed()
    last = checkpoint.load(folder / CHECKPOINT)
    return Run(folder, tuple(last.get("history", ())), last["run_id"], tuple(last.get("folds", ())))


def _new_folder() -> Path:
    """Return a folder that does not exist, named like those of the command."""
    now = datetime.datetime.now()
    folder = Path("outputs", "runs", f"{now:%Y-%m-%d}", f"{now:%H-%M-%S-%f}")
    return folder.absolute()
