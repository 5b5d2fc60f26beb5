"""What a run leaves in its folder: the checkpoint that it continues from, and in `artifacts/` what is kept of it.

A full disk costs what could not be written, with a warning, and never the training.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from densenet_sweep import config_file
from densenet_sweep.config import Config
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.tracking.curves import write_curves
from densenet_sweep.tracking.figures import write_evaluation
from densenet_sweep.training import checkpoint
from densenet_sweep.training.evaluation import Evaluation

log = logging.getLogger("densenet_sweep")

# What a run continues from; it goes when a sweep's trial has ended.
LAST = "last.pt"


class RunFolder:
    """The folder of one run while it trains."""

    def __init__(
        self,
        folder: Path,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        fingerprint: str,
        preprocessing: Preprocessing,
        class_names: Sequence[str],
        confusion_KK: torch.Tensor | None = None,
    ) -> None:
        """Make the folder.

        Args:
            folder: of the run, which may hold what an earlier start has left.
            network: that is trained.
            optimizer: that trains it.
            fingerprint: what a start that continues must have in common with this one.
            preprocessing: with what the training images taught.
            class_names: of the data set.
            confusion_KK: of the best epoch of an earlier start.

        Raises:
            OSError: it cannot be made.
        """
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self._last = folder / LAST
        self._network = network
        self._optimizer = optimizer
        self._fingerprint = fingerprint
        self._preprocessing = preprocessing
        self._class_names = class_names
        self._confusion_KK = confusion_KK

    def keep_config(self, config: Config, choices: Mapping[str, str]) -> None:
        """Write `config.yaml`, with which anyone can train the same again.

        Raises:
            OSError: the folder cannot be written.
        """
        config_file.write(self.artifacts / "config.yaml", config, choices)

    def save_last(
        self, rungs: Sequence[Mapping[str, float]], history: Sequence[Mapping[str, float]], run_id: str | None
    ) -> None:
        """Write what the run can be continued from, whole or not at all.

        Args:
            rungs: what those before the training gave.
            history: of the epochs so far.
            run_id: in the record.
        """
        state = {"network": self._network.state_dict(), "optimizer": self._optimizer.state_dict()}
        past = {"run_id": run_id, "rungs": list(rungs), "history": list(history), "confusion": self._confusion_KK}
        with _going_on_without(self._last):
            checkpoint.save(self._last, {"config": self._fingerprint, **past, **state})

    def keep_weights(self, name: str, epoch: int) -> None:
        """Write what makes a classifier of images out of the config: the weights, and what the training images taught."""
        seen = {"mean": self._preprocessing.mean_C.tolist(), "std": self._preprocessing.std_C.tolist()}
        state = {"network": self._network.state_dict(), "epoch": epoch, "class_names": list(self._class_names), **seen}
        with _going_on_without(self.artifacts / name):
            checkpoint.save(self.artifacts / name, state)

    def keep_best(self, epoch: int, validation: Evaluation) -> None:
        """Write the weights of the best epoch so far, and remember where the images of each class went."""
        self.keep_weights("best.pt", epoch)
        self._confusion_KK = validation.confusion_KK

    def keep_pictures(self, history: Sequence[Mapping[str, float]]) -> None:
        """Draw the losses and accuracies of the epochs, and the best one's confusions: at the end, as each takes 0.2 s."""
        with _going_on_without(self.artifacts):
            write_curves(self.artifacts, history)
            if self._confusion_KK is not None:
                write_evaluation(self.artifacts, self._confusion_KK.numpy(), self._class_names, split="Validation")

    def keep_test(self, test: Evaluation) -> None:
        """Write what the test set says, and which images were right: so networks can be compared image by image."""
        with _going_on_without(self.artifacts):
            write_evaluation(self.artifacts, test.confusion_KK.numpy(), self._class_names, split="Test")
            np.save(self.artifacts / "test_right.npy", test.is_right_N.numpy())


@contextmanager
def _going_on_without(path: Path) -> Iterator[None]:
    """Let the context write `path`; a full disk costs what it would have kept, not the training."""
    try:
        yield
    except OSError as error:
        log.warning("%s: not written (%s); training goes on without it", path, error.strerror or error)
