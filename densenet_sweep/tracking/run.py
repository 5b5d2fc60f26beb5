"""One run in an MLflow store: begun, opened again, found and closed, each in as few calls as MLflow allows."""

import json
import math
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.application import machine, process_start

from densenet_sweep.tracking.record import DataUsed
from densenet_sweep.tracking.run_note import NOTE
from densenet_sweep.tracking.store import cause

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

# MLflow's mapping for searches: a pruned trial was stopped, it did not fail.
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}

# The tag that finds a run with an unknown id: its creation was sent, and the answer was lost.
KEY = "record.key"

# MLflow's tag of a run that belongs to another.
PARENT = "mlflow.parentRunId"

# The tag with the number of a run's trial.
TRIAL_NUMBER = "trial.number"

# The tag that says what a run lacks because its process could not send it.
INCOMPLETE = "trial.incomplete"

# The file with all pictures of a study, among the files of its run.
REPORT = "report.html"

_PAGE = 500

# MLflow's limits.
_PARAMETERS_PER_CALL = 100
_VALUE_LENGTH = 6000
TAG_LENGTH = 5000


def begin(client: "MlflowClient", experiment_number: str, name: str, tags: Mapping[str, str], began: int) -> str:
    """Return the id of a new run, begun at that time in ms."""
    run = client.create_run(experiment_number, start_time=began, run_name=name, tags=shortened(tags))
    return str(run.info.run_id)


def existing(client: "MlflowClient", run_id: str) -> "Run | None":
    """Return the run, or None where it is not in this store or was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None
    return None if run.info.lifecycle_stage == "deleted" else run


def find_by_key(client: "MlflowClient", experiment_number: str, key: str) -> str | None:
    """Return the id of the run that has this key, or nothing."""
    found = client.search_runs([experiment_number], f"tags.`{KEY}` = {quoted(key)}", max_results=1)
    return str(found[0].info.run_id) if found else None


def of_trial(client: "MlflowClient", run_id: str | None, key: str | None) -> str | None:
    """Return the id of a trial's run: from its study, else by its key, for a run that the store received late."""
    if run_id is not None or key is None:
        return run_id
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`{KEY}` = {quoted(key)}", max_results=1)
    return str(found[0].info.run_id) if found else None


def open_again(client: "MlflowClient", run: "Run") -> None:
    """Set a run to running again, by this process, and remove its earlier outcome."""
    from mlflow.entities import RunTag

    run_id = run.info.run_id
    client.update_run(run_id, status="RUNNING")
    tags = {**process_tags(), "trial.state": "running"}
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    if "trial.reason" in run.data.tags:
        client.delete_tag(run_id, "trial.reason")


def describe(
    client: "MlflowClient",
    run_id: str,
    there: "Run | None",
    parameters: Mapping[str, str],
    note: str | None,
    inputs: Sequence[DataUsed],
) -> None:
    """Write a run's parameters, note and inputs, except parameters already `there`; if that fails, close the run."""
    from mlflow.entities import Param, RunTag

    known = {} if there is None else there.data.params
    params = [Param(key, value[:_VALUE_LENGTH]) for key, value in parameters.items() if key not in known]
    notes = [] if note is None else [RunTag(NOTE, note)]
    try:
        if params[:_PARAMETERS_PER_CALL] or notes:
            client.log_batch(run_id, params=params[:_PARAMETERS_PER_CALL], tags=notes)
        for start in range(_PARAMETERS_PER_CALL, len(params), _PARAMETERS_PER_CALL):
            client.log_batch(run_id, params=params[start : start + _PARAMETERS_PER_CALL])
        if inputs:
            client.log_inputs(run_id, [_input(used) for used in inputs])
    except Exception as error:
        with suppress(Exception):  # nobody else would close it; sending again reopens it
            close_run(client, run_id, "failed", f"its parameters or its data were not recorded: {cause(error)}")
        raise


def upload(client: "MlflowClient", run_id: str, folder: Path, without: Collection[str]) -> None:
    """Upload the files in `folder`, except those named in `without`."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in without:
            place = path.parent.relative_to(folder).as_posix()
            client.log_artifact(run_id, str(path), None if place == "." else place)


def close_run(
    client: "MlflowClient",
    run_id: str,
    state: str,
    reason: str | None,
    *,
    note: str | None = None,
    metrics: Sequence[Any] = (),
    end_time: int | None = None,
) -> None:
    """Close the run with its final state, as MLflow's status and as our tag, its last `metrics` and the `note` of its page."""
    from mlflow.entities import RunTag

    tags = {"trial.state": state} | ({"trial.reason": reason[:TAG_LENGTH]} if reason else {}) | ({NOTE: note} if note else {})
    client.log_batch(run_id, metrics=metrics, tags=[RunTag(key, value) for key, value in tags.items()])
    client.set_terminated(run_id, status=STATUS[state], end_time=end_time)


def process_tags() -> dict[str, str]:
    """Return the tags that identify a run's process."""
    process = os.getpid()
    return {
        "host": socket.gethostname(),
        "process": str(process),
        "process.start": str(process_start(process)),
        "process.machine": machine(),
    }


def shortened(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags within MLflow's limit; the description has one of its own."""
    return {key: text if key == NOTE else text[:TAG_LENGTH] for key, text in tags.items()}


def every(client: "MlflowClient", experiment_number: str, query: str, order_by: list[str] | None = None) -> "list[Run]":
    """Return all runs of a search, page by page: a server's time limit allows one page, not all of them."""
    runs: list[Run] = []
    token: Any = None
    while True:
        page = client.search_runs([experiment_number], query, max_results=_PAGE, order_by=order_by, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def quoted(text: str) -> str:
    """Return `text` as a string of MLflow's filter language, which has no escapes."""
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"


def _input(used: DataUsed) -> "DatasetInput":
    """Return the data in MLflow's form; its pages show the schema and the size."""
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


def shown(value: Any) -> str:
    """Return `value` as the command line takes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(shown(item) for item in value)}]"
    return str(value)
