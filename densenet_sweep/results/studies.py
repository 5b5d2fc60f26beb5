"""Finds a study by its name: below `outputs/`, by the description in each sweep's folder, else in MLflow."""

import difflib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hydra_async_sweeper.application import (
    ACCEPTED,
    DESCRIPTION,
    STUDY_FILES,
    FoundStudy,
    is_study_name,
    read_study_file,
    stored_study,
)

from densenet_sweep.config.schema import MlflowConfig
from densenet_sweep.counts import counted
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.recorded import RecordedStudy, recorded, what_run
from densenet_sweep.results.study import Study, Trial
from densenet_sweep.tracking.access import answering, exists, tracking_config
from densenet_sweep.tracking.run import of_trial
from densenet_sweep.tracking.store import connect, redacted

__all__ = [
    "AnyStudy",
    "FoundStudy",
    "NamedTrial",
    "changes",
    "find",
    "found",
    "in_folder",
    "named_trial",
    "note_opened",
    "noting_opened",
    "stored_study",
    "values_of",
]

log = logging.getLogger("densenet_sweep")

OUTPUTS = Path("outputs")
# The folder below it with the studies of `confirm`, which are found only by name.
CONFIRMATIONS = "confirmations"

AnyStudy = FoundStudy | RecordedStudy

# See `noting_opened`.
_opened: list[Path] = []


@dataclass(frozen=True)
class NamedTrial:
    """A trial of the study `study`, whose sweep has the folder `sweep_dir`, perhaps on another machine."""

    study: str
    trial: Trial
    sweep_dir: Path

    @property
    def artifacts(self) -> Path:
        """The folder of its results; it need not exist."""
        return self.trial.folder_in(self.sweep_dir) / "artifacts"

    def run_id(self, uri: str) -> str | None:
        """Return the id of its run in the MLflow store at `uri`; None if it has none there.

        Raises:
            ConnectionError: the store cannot be used.
        """
        if self.trial.run_id is not None or not exists(uri):
            return self.trial.run_id
        with answering(uri):
            return of_trial(connect(uri), None, self.trial.record_key)


def found(outputs: Path = OUTPUTS) -> list[FoundStudy]:
    """Return the studies below `outputs`, last used first; skip damaged descriptions with a warning."""
    studies = []
    for path in sorted(outputs.glob(f"**/{DESCRIPTION}"), key=_last_use, reverse=True):
        try:
            studies.append(read_study_file(path.parent))
        except (OSError, ValueError) as error:
            log.warning("%s", error)
    return studies


def in_folder(folder: Path) -> FoundStudy:
    """Return the study of the sweep in `folder`.

    Raises:
        ValueError: there is none.
    """
    try:
        return read_study_file(folder)
    except OSError:
        raise ValueError(f"{folder}: holds no {DESCRIPTION}; the folder of a sweep is accepted, or a study's name") from None


def find(name: str | None, overrides: Sequence[str] = (), *, outputs: Path = OUTPUTS) -> AnyStudy:
    """Return the study called `name`, or the last used one, from `outputs` or else from MLflow.

    Args:
        name: of the study.
        overrides: those of `tracking` say where MLflow's store is; by default it is the project's own.
        outputs: where sweeps have their folders.

    Raises:
        ValueError: there is none, or none of that name; the message lists those that exist.
        ConnectionError: it is not below `outputs`, and MLflow's store cannot be used.
        Exception: Hydra's, for an override that does not fit; see `errors.one_line`.
    """
    tracking = tracking_config(overrides) if overrides else None
    existing = found(outputs)
    for study in existing:
        if study.name == name or (name is None and study.folder.parent.name != CONFIRMATIONS):
            return study
    if name is not None and not is_study_name(name):  # MLflow's filters could misread it
        raise ValueError(f"{name}: no such study in {outputs.absolute()}, and no name of one; {ACCEPTED}")
    tracking = tracking or tracking_config([])
    if not isinstance(tracking, MlflowConfig):  # nothing is recorded
        tracking = None
    try:
        in_mlflow = [] if tracking is None else recorded(tracking, name)
        if in_mlflow:
            return in_mlflow[0]
        everywhere: list[AnyStudy] = [*existing, *([] if tracking is None else recorded(tracking))]
        names = list(dict.fromkeys(study.name for study in everywhere))
        run = None if tracking is None or name is None else _what_run(tracking, name)
    except ConnectionError as error:
        if name is None:
            raise ConnectionError(f"no study in {outputs.absolute()}, and {error}") from error
        here = ", ".join(dict.fromkeys(study.name for study in existing)) or "none"
        raise ConnectionError(f"{name}: no such study in {outputs.absolute()} (there are {here}), and {error}") from error
    if run is not None:
        raise ValueError(f"{name}: {run}; the name of a study is accepted")
    if not names:
        where = "" if tracking is None else f" nor in tracking.uri={redacted(tracking.uri)}"
        raise ValueError(f"no study in {outputs.absolute()}{where}; densenet-sweep sweep=quickstart makes one")
    close = difflib.get_close_matches(name or "", names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"{name}: no such study{hint}; there are {', '.join(names)}")


def values_of(study: AnyStudy) -> Study:
    """Return the values of a study that was found, as they are now.

    Raises:
        ConnectionError: MLflow does not answer any more.
    """
    loaded = study.load()
    return loaded if isinstance(loaded, Study) else read_study(loaded)


def named_trial(name: str, overrides: Sequence[str] = ()) -> NamedTrial:
    """Return the trial `STUDY/NUMBER`, as the leaderboard numbers it.

    Args:
        name: of the trial.
        overrides: `tracking.uri=...` names another MLflow store.

    Raises:
        ValueError: no such study or trial.
        ConnectionError: the study is not below `outputs`, and MLflow's store cannot be used.
    """
    study_name, _, number = name.rpartition("/")
    found = find(study_name, overrides)
    study = values_of(found)
    trial = next((it for it in study.trials if str(it.number) == number), None)
    if trial is None:
        raise ValueError(
            f"{name}: the study {study.name} has no trial {number}; it has {counted(len(study.trials), 'trial')}, from 0"
        )
    return NamedTrial(study.name, trial, found.folder)


def _what_run(tracking: MlflowConfig, name: str) -> str | None:
    return what_run(tracking, name) if re.fullmatch(r"[0-9a-f]{32}", name) else None


def note_opened(folder: Path) -> None:
    """Note that this process has opened the study of the sweep in `folder`."""
    _opened[:] = [folder]


@contextmanager
def noting_opened() -> Iterator[Sequence[Path]]:
    """Yield a list that gets the folder of the sweep whose study is opened inside the context."""
    _opened.clear()
    yield _opened


def changes(folder: Path) -> dict[str, int]:
    """Return when the description and the file of the study in `folder` were last changed, by name, in nanoseconds."""
    found = {}
    for name in (DESCRIPTION, *STUDY_FILES):
        with suppress(OSError):  # it is not there, or its sweep's folder is being removed
            found[name] = (folder / name).stat().st_mtime_ns
    return found


def _last_use(description: Path) -> int:
    return max(changes(description.parent).values(), default=0)
