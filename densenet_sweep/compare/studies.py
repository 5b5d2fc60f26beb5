"""The studies below `outputs/`, found by the description that each sweep leaves in its folder."""

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from densenet_sweep.sweep.study import JOURNAL, open_storage
from densenet_sweep.sweep.sweeper import DESCRIPTION

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("densenet_sweep")

OUTPUTS = Path("outputs")


@dataclass(frozen=True)
class FoundStudy:
    """A study and the sweep folder that describes it."""

    name: str
    folder: Path
    storage: str | None
    n_trials: int | None = None

    def load(self) -> "optuna.Study":
        """Return the study as it stands.

        Raises:
            ValueError: its storage has gone, or is not readable from here.
        """
        import optuna

        if self.storage is None and not (self.folder / JOURNAL).is_file():  # opening it would make it
            raise ValueError(f"{self.folder / JOURNAL}: has gone, and with it the study {self.name}")
        try:
            return optuna.load_study(study_name=self.name, storage=open_storage(self.storage, self.folder))
        except KeyError:
            raise ValueError(f"{self.folder}: the storage no longer holds the study {self.name}") from None


def found(outputs: Path = OUTPUTS) -> list[FoundStudy]:
    """Return the studies below `outputs`, the one used last first; a description that is damaged is passed over."""
    studies = []
    for path in sorted(outputs.glob(f"**/{DESCRIPTION}"), key=_last_use, reverse=True):
        try:
            entry = yaml.safe_load(path.read_text(encoding="utf-8"))
            studies.append(FoundStudy(str(entry["study_name"]), path.parent, entry["storage"], entry.get("n_trials")))
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
            log.warning("%s: is not the description of a study", path)
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
