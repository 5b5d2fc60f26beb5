"""The record that keeps nothing: `tracking=none`."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from densenet_sweep.tracking.record import Record, State


class NullRecord:
    """Implements `Record` and records nothing."""

    run_id: str | None = None
    last_step: int = 0

    def epoch(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Do nothing."""

    def artifacts(self, folder: Path, *, without: Collection[str] = ()) -> None:
        """Do nothing."""

    def finish(self, state: State, reason: str | None) -> None:
        """Do nothing."""


def open_record(**_: Any) -> Record:
    """Return a record that keeps nothing, whatever the run is."""
    return NullRecord()
