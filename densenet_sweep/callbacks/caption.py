"""The line above the live table of a study: what is trained, and what "value" is."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_async_sweeper.application import CAPTION

from densenet_sweep.config.metrics import on_test

if TYPE_CHECKING:
    from densenet_sweep.confirm.finalists import Finalists


def of_sweep(objectives: Sequence[str]) -> str:
    """Return the line of a sweep."""
    return f"value: {', '.join(objectives)}"


def of_confirmation(finalists: "Finalists") -> str:
    """Return the lines of a confirmation, whose runs report no test value before their end."""
    tested = on_test(finalists.objective)
    left_out = f", without one {finalists.column}, which is tested" if finalists.column else ""
    return f"trained on training and validation images{left_out}\nvalue: train_accuracy, at the end {tested}"


def write(study_name: str, folder: Path, storage: str | None, line: str) -> None:
    """Store the line in the study."""
    from densenet_sweep.results.studies import FoundStudy

    FoundStudy(study_name, folder, storage).load().set_user_attr(CAPTION, line)
