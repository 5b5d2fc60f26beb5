"""Outboxes of runs that ended while the store was away, sent by the next process that reaches it."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from densenet_sweep.tracking import outbox
from densenet_sweep.tracking.outbox import End, Outbox
from densenet_sweep.tracking.run import TRIAL_NUMBER
from densenet_sweep.tracking.study_runs import StudyRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

# Folders of single runs and grid jobs, below the working folder.
_OUTPUTS = Path("outputs")
_SINGLE_RUNS = ("runs/*/*", "grids/*/*/*")


def send_trials(
    client: "MlflowClient",
    experiment_number: str,
    uri: str,
    experiment: str,
    sweep_dir: Path,
    subdir: str,
    states: Mapping[int, tuple[str, str | None]],
) -> None:
    """Send the outboxes of a sweep's ended trials.

    Args:
        client: of the store.
        experiment_number: of the experiment.
        uri: of the store.
        experiment: its name.
        sweep_dir: with a folder for each trial.
        subdir: `hydra.sweep.subdir`, which names them.
        states: state and reason of trials whose process could not record them.

    Raises:
        mlflow.exceptions.MlflowException, OSError: the store is away again.
    """
    ends = {str(number): state for number, state in states.items()}
    _send_all(client, experiment_number, uri, experiment, sweep_dir, _of_trials(sweep_dir, subdir), ends)


def waiting(sweep_dir: Path, subdir: str) -> list[int]:
    """Return the numbers of the trials of a sweep that have something to send."""
    kept = [outbox.read(path.parent) for path in _of_trials(sweep_dir, subdir)]
    numbers = [it.tags.get(TRIAL_NUMBER, "") for it in kept if it is not None]
    return sorted(int(number) for number in numbers if number.isdecimal())


def _of_trials(sweep_dir: Path, subdir: str) -> list[Path]:
    depth = subdir.count("/") + 1
    return list(sweep_dir.glob(f"{'*/' * depth}{outbox.FILE}"))


def send_single_runs(client: "MlflowClient", experiment_number: str, uri: str, experiment: str) -> None:
    """Send the outboxes of ended single runs.

    Raises:
        mlflow.exceptions.MlflowException, OSError: the store is away again.
    """
    paths = [path for pattern in _SINGLE_RUNS for path in _OUTPUTS.glob(f"{pattern}/{outbox.FILE}")]
    _send_all(client, experiment_number, uri, experiment, _OUTPUTS, paths, {})


def _send_all(
    client: "MlflowClient",
    experiment_number: str,
    uri: str,
    experiment: str,
    root: Path,
    paths: Iterable[Path],
    ends: Mapping[str, tuple[str, str | None]],
) -> None:
    found = sorted(paths)
    if not found:
        return
    try:
        with FileLock(root / ".mlflow_outbox.lock", timeout=0):  # the process that holds it sends them all
            for path in found:
                kept = outbox.read(path.parent)
                if kept is None or (kept.store, kept.experiment) != (outbox.shown_store(uri), experiment):
                    continue
                number = kept.tags.get(TRIAL_NUMBER, "")
                if kept.end is None and number in ends:
                    kept.end = End(*ends[number], outbox.now())
                if kept.end is not None:  # otherwise its process lives, or another will continue it
                    _send(client, experiment_number, kept, path)
    except Timeout:
        return


def _send(client: "MlflowClient", experiment_number: str, kept: Outbox, path: Path) -> None:
    name = kept.name
    try:
        parent = None if kept.study is None else StudyRuns(client, experiment_number, kept.study).find_parent()
        kept.send(client, experiment_number, None if parent is None else parent.id)
    except Exception as error:
        if not outbox.is_refused(error):
            raise
        log.warning("%s: MLflow does not take what it keeps (%s)", path, error)
        path.replace(path.with_suffix(".refused"))
        return
    path.unlink(missing_ok=True)
    log.info("MLflow has %s now, which was kept in %s while the store was away", name, path.parent)
