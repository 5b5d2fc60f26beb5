"""Runs that their processes left open: MLflow shows them as running until they are closed."""

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import psutil
from hydra_async_sweeper.application import is_gone

from densenet_sweep.tracking.run import TRIAL_NUMBER, close_run, quoted
from densenet_sweep.tracking.study_runs import StudyRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MANY = 1000


def close_dead_runs(client: "MlflowClient", experiment: str) -> int:
    """Close the experiment's running runs whose processes on this machine are gone, and return their number.

    A run that is continued later is opened again.
    """
    query = f"attributes.status = 'RUNNING' AND tags.`host` = {quoted(socket.gethostname())}"
    closed = 0
    for run in client.search_runs([experiment], query, max_results=_MANY):
        if _is_dead(run.data.tags):
            close_run(client, run.info.run_id, "interrupted", "its process died")
            closed += 1
    return closed


def close_trial(runs: StudyRuns, number: int, state: str, reason: str | None) -> None:
    """Close the open runs of a trial that has ended: that of its last attempt with its state, the others as failed."""
    for index, run in enumerate(runs.of_trial(number)):
        if run.info.status == "RUNNING" and index == 0:
            close_run(runs.client, run.info.run_id, state, reason)
        elif run.info.status == "RUNNING":
            close_run(runs.client, run.info.run_id, "failed", "its process died; a later run is the trial's")


def close_left_open(runs: StudyRuns, states: Mapping[int, tuple[str, str | None]]) -> None:
    """Close the runs of ended trials that could not be closed while the store was away.

    Args:
        runs: of the study.
        states: state and reason of the ended trials.
    """
    for run in runs.matching("attributes.status = 'RUNNING'"):
        number = run.data.tags.get(TRIAL_NUMBER, "")
        if number.isdigit() and int(number) in states:
            close_run(runs.client, run.info.run_id, *states[int(number)])


def _is_dead(tags: Mapping[str, str]) -> bool:
    """Return whether a run's process has ended; for a run of an older version, which names only its host, by number."""
    process, start, where = (tags.get(key, "") for key in ("process", "process.start", "process.machine"))
    if not process.isdigit():
        return False
    if not where:
        return not psutil.pid_exists(int(process))
    return start.replace(".", "").isdigit() and is_gone(int(process), float(start), where)
