"""The weights that a sweep keeps: those of its best trials, in their folders and in MLflow.

A trial's own process uploads everything but its weights; whether to keep these depends on its final value.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hydra.experimental.callback import Callback
from hydra_async_sweeper.readable import shown_path
from omegaconf import DictConfig

from densenet_sweep.counts import counted
from densenet_sweep.run.artifacts import BEST_WEIGHTS, CHECKPOINTS
from densenet_sweep.tracking import kept_weights
from densenet_sweep.tracking.configured import in_store
from densenet_sweep.tracking.study_runs import StudyKey, StudyRuns

log = logging.getLogger("densenet_sweep")

# Several trials may end at the same moment, so this many are checked at once; the study's end checks all.
_AT_ONCE = 64

_LOSS = "which weights it keeps is settled when the sweep is started again"


class KeepBest(Callback):
    """Keeps the weights of a study's `tracking.keep_checkpoints` best complete trials, and deletes the others'."""

    def on_trial_end(
        self,
        config: DictConfig,
        study_name: str,
        sweep_dir: str,
        number: int,
        state: str,
        best: Sequence[int],
        folders: Mapping[int, str] = MappingProxyType({}),
        study_id: str | None = None,
        **_: Any,
    ) -> None:
        """Delete the trial's weights, or those of the trials that it has displaced."""
        if state == "interrupted":  # it will be continued
            return
        keep, files = int(config.tracking.keep_checkpoints), _Files(Path(sweep_dir), folders)
        files.delete_checkpoints([number])  # a finished trial is never continued
        if number not in best[:keep]:
            files.delete([number])  # they never were in MLflow
            return
        files.delete(best[keep : keep + _AT_ONCE])
        if files.weights(number).is_file():
            _settle(config, StudyKey(study_name, study_id), files, best[:keep], [number], can_wait=True)

    def on_study_end(
        self,
        config: DictConfig,
        study_name: str,
        sweep_dir: str,
        states: Mapping[int, tuple[str, str | None]],
        best: Sequence[int],
        folders: Mapping[int, str] = MappingProxyType({}),
        study_id: str | None = None,
        **_: Any,
    ) -> None:
        """Settle what trials that ended at the same moment left, and log the study's size on disk."""
        keep, files = int(config.tracking.keep_checkpoints), _Files(Path(sweep_dir), folders)
        ended = [number for number, (state, _) in states.items() if state != "interrupted"]
        files.delete_checkpoints(ended)
        files.delete(number for number in ended if number not in best[:keep])
        kept = [number for number in best[:keep] if files.weights(number).is_file()]
        _settle(config, StudyKey(study_name, study_id), files, best[:keep], kept)
        which = "the best trial" if len(kept) == 1 else f"the {counted(len(kept), 'best trial')}"
        weights = f",\n  weights of {which} (tracking.keep_checkpoints={keep})" if kept else ""
        log.info("%s: %s%s", shown_path(files.sweep_dir), _size(files.sweep_dir), weights)


@dataclass(frozen=True)
class _Files:
    """The files of a sweep's trials.

    Attributes:
        sweep_dir: their folders' folder.
        folders: of the trials for which it is not their number.
    """

    sweep_dir: Path
    folders: Mapping[int, str]

    def weights(self, number: int) -> Path:
        return self._of(number) / "artifacts" / BEST_WEIGHTS

    def delete(self, numbers: Iterable[int]) -> None:
        """Delete the weights of trials that have ended."""
        for number in numbers:
            self.weights(number).unlink(missing_ok=True)

    def delete_checkpoints(self, numbers: Iterable[int]) -> None:
        """Delete the checkpoints of trials that have ended."""
        for number in numbers:
            for name in CHECKPOINTS:
                (self._of(number) / name).unlink(missing_ok=True)

    def _of(self, number: int) -> Path:
        return self.sweep_dir / self.folders.get(number, str(number))


def _settle(
    config: DictConfig, study: StudyKey, files: _Files, best: Sequence[int], uploads: Sequence[int], *, can_wait: bool = False
) -> None:
    """Delete from MLflow the weights of all trials but the `best`, and upload those of `uploads` that it lacks."""

    def write(runs: StudyRuns) -> None:
        kept_weights.settle(runs, BEST_WEIGHTS, best, {number: files.weights(number) for number in uploads})

    in_store(config, study, write, loss=_LOSS, can_wait=can_wait)


def _size(folder: Path) -> str:
    """Return the size of the files in `folder`, for people."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # removed by another process
            total += path.lstat().st_size if not path.is_dir() else 0
    return f"{total / 1e6:,.1f} MB" if total < 1e9 else f"{total / 1e9:,.1f} GB"
