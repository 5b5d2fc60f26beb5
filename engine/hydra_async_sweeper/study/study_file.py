"""The description of a study in its sweep's folder: `study.yaml`, without passwords."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.study import trial_folder
from hydra_async_sweeper.study.exclusive import is_lock
from hydra_async_sweeper.study.passwords import redacted
from hydra_async_sweeper.study.storage import WAYS_ON, open_storage, storage_file

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

        lost = _lost_file(self.folder, self.storage)
        if lost is not None:  # opening it would create it
            raise ValueError(f"{lost}, and with it the study {self.name}")
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


def stored(storage: str, name: str | None = None) -> FoundStudy:
    """Return the study called `name` in `storage`, wherever its sweep's folder is; the only one there unless named.

    Args:
        storage: as `open_storage` takes it: `sqlite:///FILE`, `postgresql://...`, `journal:PATH`, `grpc://HOST:PORT`.
        name: of the study.

    Raises:
        ValueError: no such study, or several and none is named; the message lists those there.
        SweepError: it cannot be reached.
    """
    shown = redacted(storage)
    lost = _lost_file(Path(), storage)
    if lost is not None:  # opening it would create it
        raise ValueError(f"storage={shown}: no studies are there ({lost})")
    there = [it.study_name for it in open_storage(storage, Path()).get_all_studies() if not is_lock(it.study_name)]
    if name is None and len(there) == 1:
        [name] = there
    if name not in there:
        what = "holds several studies; name one" if name is None and there else f"no study {name or ''}".rstrip()
        raise ValueError(f"storage={shown}: {what}; there are {', '.join(there) or 'none'}")
    return FoundStudy(name, Path(), storage)


def describes(folder: Path, name: str) -> bool:
    """Return whether `folder` describes the study `name`."""
    try:
        return read(folder).name == name
    except (OSError, ValueError):
        return False


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
        "command": redacted(command),
    }
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f".{DESCRIPTION}.{os.getpid()}"  # so that nobody reads half of it
    written.write_text(yaml.safe_dump(entry, sort_keys=False), encoding="utf-8")
    written.replace(folder / DESCRIPTION)


def check_file(folder: Path, storage: str | None) -> None:
    """Refuse a sweep whose trials have folders in `folder` but whose storage file is lost; opening it would create a new one.

    Raises:
        SweepError: naming the file, the description and the two ways on.
    """
    trials = _trial_folders(folder)
    lost = _lost_file(folder, storage)
    if trials and lost is not None:
        raise SweepError(f"{lost}, but {_last_described(folder, trials)}; {WAYS_ON}")


def check_trials(folder: Path, study_name: str, storage: "optuna.storages.BaseStorage", url: str | None) -> None:
    """Refuse a study that lacks trials which have folders in `folder`: it would overwrite them.

    Raises:
        SweepError: naming the storage, the description and the two ways on.
    """
    trials = _trial_folders(folder)  # read before the study, in which a trial appears before it has a folder
    if not trials:
        return
    try:
        num_trials = storage.get_n_trials(storage.get_study_id_from_name(study_name))
    except KeyError:
        num_trials = 0
    if trials[-1] >= num_trials:
        where = storage_file(url, folder) or redacted(str(url))
        what = f"holds {counted(num_trials, 'trial') if num_trials else 'no trial'} of the study {study_name}"
        raise SweepError(f"{where}: {what}, but {_last_described(folder, trials)}; {WAYS_ON}, or name another hydra.sweep.dir")


def _trial_folders(folder: Path) -> list[int]:
    """Return the numbers of the trials that left a folder in the sweep that `folder` describes, in order."""
    if not (folder / DESCRIPTION).is_file():
        return []
    return trial_folder.left_in(folder)


def _last_described(folder: Path, trials: list[int]) -> str:
    return f"{folder / DESCRIPTION} describes a study whose trial {trials[-1]} has a folder there"


def _lost_file(folder: Path, storage: str | None) -> str | None:
    """Return what happened to the file of the studies in `storage`, or None if it exists, or is no file."""
    path = storage_file(storage, folder)
    if path is None or (path.is_file() and path.stat().st_size > 0):
        return None
    return f"{path}: is empty" if path.is_file() else f"{path}: has gone"
