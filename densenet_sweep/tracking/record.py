"""The interface of a training run's record; implemented by MLflow's and by the null one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

State = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True)
class DataUsed:
    """A data set as a run used it.

    Attributes:
        name: of the data set.
        context: what it was used for, such as `training`.
        digest: of its images.
        source: where they come from, plain values.
        shape: of its images, their number first.
        class_counts: images of each class.
    """

    name: str
    context: str
    digest: str
    source: Mapping[str, Any]
    shape: Sequence[int]
    class_counts: Mapping[str, int]


class Record(Protocol):
    """The record of one run, open from its creation to `finish`."""

    @property
    def run_id(self) -> str | None:
        """The id under which the run can be continued; None where nothing is recorded, or the store has not answered yet."""

    @property
    def last_step(self) -> int:
        """The last step whose metrics had arrived when the run was opened; 0 for a new one."""

    def epoch(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record the metrics of one epoch; `step` counts epochs from 1. Metrics already recorded for a step are skipped.

        They may be sent later, with those of other epochs. A continued run records its earlier epochs again, as a process that
        was killed may not have sent them.
        """

    def artifacts(self, folder: Path, *, without: Collection[str] = ()) -> None:
        """Store every file in `folder` under its relative path, except those named in `without`."""

    def finish(self, state: State, reason: str | None) -> None:
        """Close the run with its state and the reason; called once, last."""
