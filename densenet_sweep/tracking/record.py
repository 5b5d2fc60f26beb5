"""What a training run tells its record; implemented by MLflow's and by the null one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

State = Literal["complete", "pruned", "failed", "interrupted"]


class Record(Protocol):
    """The record of one run, open from its creation to `finish`."""

    @property
    def run_id(self) -> str | None:
        """The id under which the run can be continued, or None where nothing is recorded."""

    def epoch(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record the metrics of one epoch; `step` counts epochs from 1."""

    def artifacts(self, folder: Path) -> None:
        """Store every file in `folder`, under its path in it."""

    def finish(self, state: State, reason: str | None) -> None:
        """Close the run with what became of it, and why; called once, last."""
