"""Where the seconds of one of our sweeps go, from its own records: the study's journal and MLflow's database."""

import contextlib
import sqlite3
from pathlib import Path

# The parts of a sweep's wall time, each as a mean over its workers.
PARTS = ("start", "training", "validation", "beside, in trials", "between trials", "waiting for others", "end")


def spent(folder: Path, began: float, ended: float, num_train: int) -> dict[str, float]:
    """Return the wall seconds of each part.

    "start" ends with the first trial, "end" begins after the last. Between them lie each worker's training and validation; what
    its trials need beside (data, network, records, checkpoints, pictures); the gaps between two trials; and, without a trial
    left, waiting for the other workers.

    Args:
        folder: where the command ran.
        began: the command's start, by `time.time`.
        ended: its end.
        num_train: training images of an epoch.
    """
    from densenet_sweep import load_study

    (sweep,) = (folder / "outputs" / "sweeps").iterdir()
    trials = load_study(sweep).trials
    by_worker: dict[int, list[tuple[float, float]]] = {}
    for trial in trials:
        for attempt in trial.attempts:
            assert trial.start is not None
            assert trial.end is not None
            by_worker.setdefault(attempt.pid, []).append((trial.start.timestamp(), trial.end.timestamp()))
    first = min(start for times in by_worker.values() for start, _ in times)
    last = max(end for times in by_worker.values() for _, end in times)
    workers = len(by_worker)
    in_trials = sum(end - start for times in by_worker.values() for start, end in times) / workers
    begin = sum(min(start for start, _ in times) - first for times in by_worker.values()) / workers
    waiting = sum(last - max(end for _, end in times) for times in by_worker.values()) / workers
    fitted = sum(trial.own_seconds or 0.0 for trial in trials) / workers
    training = fitted * _share_of_training(folder / "mlruns" / "mlflow.db", num_train)
    parts = (
        first + begin - began, training, fitted - training, in_trials - fitted, last - first - begin - in_trials - waiting,
        waiting, ended - last,
    )  # fmt: skip
    return {name: round(seconds, 2) for name, seconds in zip(PARTS, parts, strict=True)}


def _share_of_training(database: Path, num_train: int) -> float:
    """Return the share of training in the seconds of all epochs, whose rest is validation."""
    query = """
        select sum(? / speed.value) / sum(whole.value) from metrics speed join metrics whole
        on speed.run_uuid = whole.run_uuid and speed.step = whole.step
        where speed.key = 'images_per_second' and whole.key = 'epoch_seconds'
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (share,) = connection.execute(query, (num_train,)).fetchone()
    return float(share)
