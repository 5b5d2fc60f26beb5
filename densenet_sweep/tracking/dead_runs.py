"""Runs whose process has died without closing them: MLflow shows these as running for ever, unless somebody closes them."""

import socket
from typing import TYPE_CHECKING

from hydra_async_sweeper.workers.process_identity import process_start

from densenet_sweep.tracking.run import close_run, quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MANY = 1000


def close_dead_runs(client: "MlflowClient", experiment: str) -> int:
    """Close the experiment's running runs of processes of this machine that have gone, and return how many there were.

    A run that somebody continues is opened again.
    """
    query = f"attributes.status = 'RUNNING' AND tags.`host` = {quoted(socket.gethostname())}"
    closed = 0
    for run in client.search_runs([experiment], query, max_results=_MANY):
        process, start = run.data.tags.get("process", ""), run.data.tags.get("process.start")
        if process.isdigit() and str(process_start(int(process))) != start:
            close_run(client, run.info.run_id, "interrupted", "its process died")
            closed += 1
    return closed
