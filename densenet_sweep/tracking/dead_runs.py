"""Runs whose process died without closing them: MLflow shows them as running until they are closed."""

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import psutil
from hydra_async_sweeper.application import is_gone

from densenet_sweep.tracking.run import close_run, quoted

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


def _is_dead(tags: Mapping[str, str]) -> bool:
    """Return whether a run's process has ended; for a run of an older version, which names only its host, by number."""
    process, start, where = (tags.get(key, "") for key in ("process", "process.start", "process.machine"))
    if not process.isdigit():
        return False
    if not where:
        return not psutil.pid_exists(int(process))
    return start.replace(".", "").isdigit() and is_gone(int(process), float(start), where)
