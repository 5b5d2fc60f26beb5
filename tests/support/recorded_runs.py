"""Runs in MLflow, as the client of a test sees them."""

from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from densenet_sweep.tracking.record import Record

# What a record is opened with, beside a section `tracking`.
RUN: dict[str, Any] = {
    "name": "a run",
    "parameters": {"architecture": "d2l", "optimizer.lr": 0.1},
    "tags": {"host": "here"},
    "study_name": None,
    "run_id": None,
}


def kept(client: MlflowClient, record: Record) -> Run:
    assert record.run_id is not None
    return client.get_run(record.run_id)


def children(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("tests")
    return list(client.search_runs([experiment.experiment_id]))
