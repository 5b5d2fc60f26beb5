"""The studies below `outputs/`, found by the description that each sweep leaves in its folder."""

import difflib
import logging
from pathlib import Path

from densenet_sweep.sweep.description import DESCRIPTION, FoundStudy, read

__all__ = ["FoundStudy", "find", "found"]

log = logging.getLogger("densenet_sweep")

OUTPUTS = Path("outputs")


def found(outputs: Path = OUTPUTS) -> list[FoundStudy]:
    """Return the studies below `outputs`, the one used last first; a description that is damaged is passed over."""
    studies = []
    for path in sorted(outputs.glob(f"**/{DESCRIPTION}"), key=_last_use, reverse=True):
        try:
            studies.append(read(path.parent))
        except (OSError, ValueError) as error:
            log.warning("%s", error)
    return studies


def find(name: str | None, outputs: Path = OUTPUTS) -> FoundStudy:
    """Return the study called `name`, or the one used last.

    Raises:
        ValueError: there is none, or none of that name; the message lists those that exist.
    """
    existing = found(outputs)
    if not existing:
        raise ValueError(f"no study in {outputs.absolute()}; densenet-sweep sweep=quickstart makes one")
    if name is None:
        return existing[0]
    for study in existing:
        if study.name == name:
            return study
    names = list(dict.fromkeys(study.name for study in existing))
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"{name}: no such study{hint}; there are {', '.join(names)}")


def _last_use(description: Path) -> float:
    return max(path.stat().st_mtime for path in description.parent.glob("study.*"))
