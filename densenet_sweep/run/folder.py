"""What a run leaves in its folder: the checkpoint that it continues from, and its results in `artifacts/`.

A full disk costs a warning and the files that could not be written, never the training.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra_async_sweeper import TrialLost
from torch import nn

from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.run import label_table
from densenet_sweep.run.artifacts import (
    BEST_WEIGHTS,
    CHECKPOINT,
    FINAL_WEIGHTS,
    PREVIOUS_CHECKPOINT,
    TEST_RESAMPLED,
    TEST_RIGHT,
)
from densenet_sweep.run.bootstrap import Uncertainty
from densenet_sweep.run.carried import OWN, Carried
from densenet_sweep.run.thresholds import choose
from densenet_sweep.tracking.curves import write_curves
from densenet_sweep.tracking.figures import write_evaluation
from densenet_sweep.training import checkpoint
from densenet_sweep.training.ema import WeightAverage
from densenet_sweep.training.evaluation import Evaluation

log = logging.getLogger("densenet_sweep")

# The next write waits _REST times as long as the last one took, at most _LONGEST_REST seconds.
_REST = 99
_LONGEST_REST = 60.0


class RunFolder:
    """The folder of one run while it trains."""

    def __init__(
        self,
        folder: Path,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        same: Mapping[str, Any],
        preprocessing: Preprocessing,
        class_names: Sequence[str],
        average: WeightAverage | None = None,
        value_range: tuple[float, float] | None = None,
        contents: np.ndarray | None = None,
        is_multi_label: bool = False,
        last: Mapping[str, Any] | None = None,
        carried: Carried | None = None,
        specificity: float = 0.9,
    ) -> None:
        """Make the folder.

        Args:
            folder: of the run; may hold the files of an earlier start.
            network: in training.
            optimizer: of the network.
            same: what a continued run must keep; see `resume.must_stay`.
            average: of the network's weights, which is then what the files of weights hold.
            preprocessing: with the statistics of the training images.
            class_names: of the data set.
            value_range: of the pictures, if they hold values.
            contents: of the files of training and validation; see `found.seen`.
            is_multi_label: whether images have any number of labels.
            last: the checkpoint of an earlier start, with the results of its best epoch.
            carried: the thresholds of a final run, which chooses none itself.
            specificity: that a threshold of two classes keeps.

        Raises:
            OSError: it cannot be made.
        """
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self._last = folder / CHECKPOINT
        self._network = network
        self._optimizer = optimizer
        self._average = average
        self._same = dict(same)
        self._preprocessing = preprocessing
        self.class_names = class_names
        self._value_range = value_range
        self._contents = contents
        self._is_multi_label = is_multi_label
        last = last or {}
        self._confusion_KK: torch.Tensor | None = last.get("confusion")
        self._labels: list[label_table.Row] = list(last.get("labels", ()))
        self.thresholds: Sequence[float] | None = last.get("thresholds") if carried is None else carried.values
        self._thresholds_of = OWN if carried is None else carried.origin
        if carried is not None and (said := carried.line(class_names, is_multi_label=is_multi_label)):
            log.info("%s", said)
        self.specificity = specificity
        self._unwritten_best: dict[str, Any] | None = None
        self._unwritten_last: dict[str, Any] | None = None
        self._rests_until = -math.inf

    def keep_config(self, text: str) -> None:
        """Write `config.yaml`, which reproduces the training; see `run_config.text`.

        Raises:
            OSError: the folder cannot be written.
        """
        (self.artifacts / "config.yaml").write_text(text, encoding="utf-8")

    def keep(
        self,
        rungs: Sequence[Mapping[str, float]],
        history: Sequence[Mapping[str, float]],
        run_id: str | None,
        *,
        best: Evaluation | None = None,
    ) -> None:
        """Copy the state that the run can be continued from, and write it if the last write is long enough ago.

        Writing takes a hundredth of the time: short epochs share a file. `writing` writes the rest when it ends.

        Args:
            rungs: metrics of the rungs before the training.
            history: metrics of the epochs so far.
            run_id: of the record.
            best: validation result of the last epoch, if it is the best so far.
        """
        network = _copied(self._network.state_dict())
        average = None if self._average is None else _copied(self._average.state_dict())
        if best is not None:
            self._confusion_KK = best.confusion_KK
            self.thresholds = choose(best, self.specificity) or self.thresholds
            if self._is_multi_label and self.thresholds is not None:
                self._labels = label_table.rows(best, self.class_names, self.thresholds)
            self._unwritten_best = self._weights(network if average is None else average["network"], len(history))
        past = {"run_id": run_id, "rungs": list(rungs), "history": list(history)}
        of_best = {"confusion": self._confusion_KK, "labels": self._labels, "thresholds": self.thresholds}
        state = {"network": network, "optimizer": _copied(self._optimizer.state_dict())}
        if average is not None:
            state["average"] = average
        self._unwritten_last = {**self._same, **past, **of_best, **state}
        began = time.monotonic()
        if began >= self._rests_until:
            self._write()
            if history:  # a process's first file takes longer than the others
                ended = time.monotonic()
                self._rests_until = ended + min(_REST * (ended - began), _LONGEST_REST)

    @contextmanager
    def writing(self, check_lease: Callable[[], None]) -> Iterator[None]:
        """Write what `keep` has not yet written when the context ends, even in the middle of an epoch.

        Args:
            check_lease: raises if another worker owns the folder by now, or the storage is away; then nothing is written.
        """
        try:
            yield
        except TrialLost:
            raise
        except BaseException:
            with suppress(Exception):  # another worker owns it, or the storage is away
                check_lease()
                self._write()
            raise
        self._write()

    def _write(self) -> None:
        """Write what is pending: the weights first, because the checkpoint implies that they exist."""
        if self._unwritten_best is not None and written(self.artifacts / BEST_WEIGHTS, self._unwritten_best):
            self._unwritten_best = None
        if (
            self._unwritten_best is None
            and self._unwritten_last is not None
            and written(self._last, self._unwritten_last, previous=self._last.with_name(PREVIOUS_CHECKPOINT))
        ):
            self._unwritten_last = None

    def keep_final(self, num_epochs: int) -> None:
        """Write the weights after the last epoch."""
        network = self._network if self._average is None else self._average.network
        written(self.artifacts / FINAL_WEIGHTS, self._weights(network.state_dict(), num_epochs))

    def _weights(self, network: Mapping[str, torch.Tensor], epoch: int) -> dict[str, Any]:
        """Return what a classifier needs besides the config: weights, class names, mean and std of the training images."""
        seen: dict[str, Any] = {"mean": self._preprocessing.mean_C.tolist(), "std": self._preprocessing.std_C.tolist()}
        if self._value_range is not None:
            seen["value_range"] = list(self._value_range)
        if self._contents is not None:  # so that `evaluate` can tell whether a picture is among them
            seen["contents"] = torch.from_numpy(self._contents.view(np.int64))
        if self._is_multi_label:
            seen["multi_label"] = True
        if self.thresholds is not None:
            seen["thresholds"] = list(self.thresholds)
        seen["thresholds_of"] = self._thresholds_of
        return {"network": network, "epoch": epoch, "class_names": list(self.class_names), **seen}

    def keep_pictures(self, history: Sequence[Mapping[str, float]]) -> None:
        """Draw the learning curves and the best epoch's confusion matrix; only at the end, as each takes 0.2 s."""
        with _warn_on_oserror(self.artifacts):
            write_curves(self.artifacts, history)
            if self._confusion_KK is not None:
                write_evaluation(self.artifacts, self._confusion_KK.numpy(), self.class_names, split="Validation")
            if self._labels:
                label_table.write(self.artifacts, self._labels)

    def keep_test(self, test: Evaluation, known: Uncertainty | None) -> None:
        """Write the test result, which images were right, and values on resamples, to compare networks on the same images."""
        with _warn_on_oserror(self.artifacts):
            if test.confusion_KK is not None:
                write_evaluation(self.artifacts, test.confusion_KK.numpy(), self.class_names, split="Test")
            else:
                thresholds = self.thresholds or [0.5] * len(self.class_names)
                label_table.write(self.artifacts, label_table.rows(test, self.class_names, thresholds))
            np.save(self.artifacts / TEST_RIGHT, test.is_right_N.numpy())
            if known is not None:
                np.savez(self.artifacts / TEST_RESAMPLED, values_R=known.values, num_drawn=known.num_drawn)


def _copied(state: Any) -> Any:
    """Return `state` with its tensors copied to the CPU: training continues to change the network's."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return state


def written(path: Path, state: dict[str, Any], *, previous: Path | None = None) -> bool:
    """Write `state` to `path`, and return whether that succeeded."""
    try:
        checkpoint.save(path, state, previous=previous)
    except OSError as error:
        _warn(path, error)
        return False
    return True


@contextmanager
def _warn_on_oserror(path: Path) -> Iterator[None]:
    """Turn an OSError of writing `path` into a warning, so that a full disk does not end the training."""
    try:
        yield
    except OSError as error:
        _warn(path, error)


def _warn(path: Path, error: OSError) -> None:
    log.warning("%s: not written (%s); training continues without it", path, error.strerror or error)
