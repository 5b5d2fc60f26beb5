"""What a sweep leaves in its folder about its study, for whoever looks there: `study.yaml`, without passwords."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hydra_async_sweeper.study.storage import JOURNAL, open_storage, redacted

if TYPE_CHECKING:
    import optuna

DESCRIPTION = "study.yaml"


@dataclass(frozen=True)
class FoundStudy:
    """A study and the sweep folder that describes it."""

    name: str
    folder: Path
    storage: str | None
    n_trials: int | None = None
    command: str | None = None

    def load(self) -> "optuna.Study":
        """Return the study as it stands.

        Raises:
            ValueError: its storage has gone, or is not readable from here.
        """
        import optuna

        if self.storage in (None, "journal") and not (self.folder / JOURNAL).is_file():  # opening it would make it
            raise ValueError(f"{self.folder / JOURNAL}: has gone, and with it the study {self.name}")
        try:
            return optuna.load_study(study_name=self.name, storage=open_storage(self.storage, self.folder))
        except KeyError:
            raise ValueError(f"{self.folder}: the storage no longer holds the study {self.name}") from None


def read(folder: Path) -> FoundStudy:
    """Return the study that `folder` describes.

    Raises:
        OSError: there is no description.
        ValueError: it is damaged.
    """
    path = folder / DESCRIPTION
    try:
        entry = yaml.safe_load(path.read_text(encoding="utf-8"))
        return FoundStudy(str(entry["study_name"]), folder, entry["storage"], entry.get("n_trials"), entry.get("command"))
    except (TypeError, KeyError, ValueError, yaml.YAMLError):
        raise ValueError(f"{path}: is not the description of a study") from None


def write(folder: Path, study: "optuna.Study", *, storage: str | None, n_trials: int, command: str) -> None:
    """Describe `study` in its sweep's folder.

    Raises:
        OSError: the folder cannot be written.
    """
    entry: dict[str, Any] = {
        "study_name": study.study_name,
        "storage": None if storage is None else redacted(storage),
        "directions": [direction.name.lower() for direction in study.directions],
        "n_trials": n_trials,
        "command": command if storage is None else command.replace(storage, redacted(storage)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).write_text(yaml.safe_dump(entry, sort_keys=False), encoding="utf-8")
