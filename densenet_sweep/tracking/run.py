"""One run in an MLflow store: begun, opened again, found and closed, each in as few calls as MLflow allows."""

import json
import logging
import math
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.workers.process_identity import machine, process_start

from densenet_sweep.tracking.mlflow_private import last_step
from densenet_sweep.tracking.record import DataUsed
from densenet_sweep.tracking.run_note import NOTE, Description
from densenet_sweep.tracking.store import cause

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

log = logging.getLogger("densenet_sweep")

# MLflow's mapping for searches: a pruned trial was stopped, it did not fail.
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}

# MLflow's limits.
_PARAMETERS_PER_CALL = 100
_VALUE_LENGTH = 6000
TAG_LENGTH = 5000


def begin(
    client: "MlflowClient",
    experiment_number: str,
    name: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    description: Description | None,
    inputs: Sequence[DataUsed],
) -> str:
    """Return the id of a new run that has all that is known of it; where that cannot be written, the run is closed."""
    from mlflow.entities import Param, RunTag

    all_tags = dict(tags) | process_tags() | {"trial.state": "running"}
    run = client.create_run(experiment_number, run_name=name, tags={key: value[:TAG_LENGTH] for key, value in all_tags.items()})
    run_id = str(run.info.run_id)
    params = [Param(key, _shown(value)[:_VALUE_LENGTH]) for key, value in parameters.items()]
    notes = [] if description is None else [RunTag(NOTE, description.text(run_id))]
    try:
        client.log_batch(run_id, params=params[:_PARAMETERS_PER_CALL], tags=notes)
        for start in range(_PARAMETERS_PER_CALL, len(params), _PARAMETERS_PER_CALL):
            client.log_batch(run_id, params=params[start : start + _PARAMETERS_PER_CALL])
        if inputs:
            client.log_inputs(run_id, [_input(used) for used in inputs])
    except Exception as error:
        with suppress(Exception):  # nobody else would close it
            close_run(client, run_id, "failed", f"its parameters or its data were not recorded: {cause(error)}")
        raise
    return run_id


def open_again(client: "MlflowClient", run_id: str, description: Description | None) -> int | None:
    """Return the last step of the run `run_id`, which is running again and not what it had become; None if it is not there."""
    from mlflow.entities import RunTag
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        run = None
    if run is None or run.info.lifecycle_stage == "deleted":
        log.warning("MLflow run %s is not in this store; a new run is begun", run_id)
        return None
    client.update_run(run_id, status="RUNNING")
    tags = {**process_tags(), "trial.state": "running"} | ({} if description is None else {NOTE: description.text(run_id)})
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    if "trial.reason" in run.data.tags:
        client.delete_tag(run_id, "trial.reason")
    return last_step(run)


def close_run(
    client: "MlflowClient",
    run_id: str,
    state: str,
    reason: str | None,
    *,
    note: str | None = None,
    metrics: Sequence[Any] = (),
) -> None:
    """Give the run its final state, in MLflow's words and in ours, with its last `metrics` and what its page says of it."""
    from mlflow.entities import RunTag

    tags = {"trial.state": state} | ({"trial.reason": reason[:TAG_LENGTH]} if reason else {}) | ({NOTE: note} if note else {})
    client.log_batch(run_id, metrics=metrics, tags=[RunTag(key, value) for key, value in tags.items()])
    client.set_terminated(run_id, status=STATUS[state])


def process_tags() -> dict[str, str]:
    """Return the tags of a run by which its process can be found again."""
    process = os.getpid()
    return {
        "host": socket.gethostname(),
        "process": str(process),
        "process.start": str(process_start(process)),
        "process.machine": machine(),
    }


def find_parent(client: "MlflowClient", experiment_number: str, study_name: str) -> str | None:
    """Return the id of the parent run of a study, found by its tag, or nothing."""
    query = f"tags.`study` = {quoted(study_name)} AND tags.`role` = 'study'"
    found = client.search_runs([experiment_number], query, order_by=["start_time DESC"], max_results=1)
    return str(found[0].info.run_id) if found else None


def quoted(text: str) -> str:
    """Return `text` as a string of MLflow's filter language, which knows no escapes."""
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"


def _input(used: DataUsed) -> "DatasetInput":
    """Return the data in MLflow's form, whose pages show its schema and its size."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    number, *image = used.shape
    features, targets = (
        json.dumps([{"type": "tensor", "tensor-spec": {"dtype": kind, "shape": [-1, *shape]}}])
        for kind, shape in (("uint8", image), ("int64", []))
    )
    profile = {"num_rows": number, "num_elements": math.prod(used.shape), "class_counts": used.class_counts}
    dataset = Dataset(
        name=used.name,
        digest=used.digest,
        source_type="code",
        source=json.dumps(used.source),
        schema=json.dumps({"mlflow_tensorspec": {"features": features, "targets": targets}}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", used.context)])


def _shown(value: Any) -> str:
    """Return `value` as the command line takes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(_shown(item) for item in value)}]"
    return str(value)
