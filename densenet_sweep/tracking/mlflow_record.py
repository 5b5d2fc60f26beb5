"""One run in MLflow, as a record that a failing server cannot hurt."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.tracking.dead_runs import close_dead_runs
from densenet_sweep.tracking.null_record import NullRecord
from densenet_sweep.tracking.record import DataUsed, Record, State
from densenet_sweep.tracking.run import begin, close_run, find_parent, open_again
from densenet_sweep.tracking.run_note import Description
from densenet_sweep.tracking.store import absolute, cause, check_uri, connect, experiment_id, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

# MLflow's limit, of which some are left to the tags of a run's end.
_METRICS_PER_CALL = 900

# The runs of studies, by store, experiment and name.
_parents: dict[tuple[str, str, str], str] = {}

# After a call that failed no other is tried for this many times as long, so that an outage costs a tenth of the time; and after
# one of an epoch for so many times as long, so that short epochs share a call, and all of them cost a hundredth.
_REST = 9
_REST_OF_EPOCHS = 99


def open_record(
    *,
    uri: str,
    artifact_location: str,
    experiment: str,
    required: bool,
    system_metrics: bool,
    name: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    study_name: str | None,
    run_id: str | None,
    description: Description | None = None,
    numbers: Mapping[str, float] | None = None,
    inputs: Callable[[], Sequence[DataUsed]] = tuple,
) -> Record:
    """Return the open record of a new run, or of the run `run_id` that is continued.

    Args:
        uri: of the store, a database or a server.
        artifact_location: folder for files, where a database is the store.
        experiment: its name; made on first use.
        required: a store that cannot be used is an error; otherwise training goes on without one, and says so.
        system_metrics: record processor, memory and GPU use while the run is open.
        name: the run's, for people.
        parameters: by override path.
        tags: further facts.
        study_name: the run becomes a child of this study's parent run.
        run_id: of a run to continue.
        description: what its page says of it.
        numbers: metrics that are known before its first epoch.
        inputs: returns the data that it uses.

    Raises:
        ValueError: `uri` is no store.
        ConnectionError: the store cannot be used, and is required.
    """
    check_uri(uri)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = connect(uri)
        experiment_number = experiment_id(client, uri, experiment, artifact_location)
        if study_name is None:  # a sweep does so once, when it opens its study
            close_dead_runs(client, experiment_number)
            family: dict[str, str] = {}
        else:
            parent = _parent(client, experiment_number, study_name)
            family = {"study": study_name, **({} if parent is None else {"mlflow.parentRunId": parent})}
        last_step = None if run_id is None else open_again(client, run_id, description)
        if run_id is None or last_step is None:
            run_id = begin(client, experiment_number, name, parameters, {**tags, **family}, description, inputs())
    except (MlflowException, SQLAlchemyError, OSError) as error:
        message = f"tracking.uri={redacted(uri)}: cannot be used ({cause(error)})"
        if required:
            raise ConnectionError(f"{message}; tracking.required=false trains without it") from error
        log.warning("%s; this run is not recorded", message)
        return NullRecord()
    return MlflowRecord(
        client,
        run_id,
        uri=uri,
        required=required,
        system_metrics=system_metrics,
        description=description,
        numbers=numbers,
        last_step=last_step or 0,
    )


def _parent(client: "MlflowClient", experiment_number: str, study_name: str) -> str | None:
    """Return the id of the study's run; a worker, whose trials all belong to one study, looks for it until it is there."""
    key = (str(client.tracking_uri), experiment_number, study_name)
    if key not in _parents:
        found = find_parent(client, experiment_number, study_name)
        if found is None:
            return None
        _parents[key] = found
    return _parents[key]


class MlflowRecord:
    """A run in MLflow. Without `required`, a failing store costs one warning; what it missed is sent again later."""

    def __init__(
        self,
        client: "MlflowClient",
        run_id: str,
        *,
        uri: str,
        required: bool,
        system_metrics: bool,
        description: Description | None = None,
        numbers: Mapping[str, float] | None = None,
        last_step: int = 0,
    ) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.run_id: str | None = run_id
        self.last_step = last_step
        self._id = run_id
        self._client = client
        self._uri = uri
        self._required = required
        self._description = description
        self._last: dict[str, float] = {}
        self._pending = [Metric(key, float(value), now, 0) for key, value in (numbers or {}).items()]
        self._is_lost = False
        self._rests_until = 0.0
        self._monitor = _start_monitor(run_id, uri, is_continued=last_step > 0) if system_metrics else None

    def epoch(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record `metrics`, with those that an earlier call could not deliver."""
        from mlflow.entities import Metric

        self._last |= metrics
        now = int(time.time() * 1000)
        # What comes first is what MLflow's page of compared runs shows: the epoch's, and not what was known before it.
        self._pending = [Metric(key, float(value), now, step) for key, value in metrics.items()] + self._pending
        began = time.monotonic()
        if began >= self._rests_until and self._delivered(self._send_pending):
            ended = time.monotonic()
            self._rests_until = ended + _REST_OF_EPOCHS * (ended - began)

    def artifacts(self, folder: Path, *, without: Collection[str] = ()) -> None:
        """Upload the files in `folder`."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in without]

        def upload() -> None:
            for path in paths:
                place = path.parent.relative_to(folder).as_posix()
                self._client.log_artifact(self._id, str(path), None if place == "." else place)

        if paths:
            self._delivered(upload)

    def finish(self, state: State, reason: str | None) -> None:
        """Close the run with MLflow's word for `state`, which also stands in the tag `trial.state`."""
        if self._monitor is not None and not self._is_lost:  # it ends by itself where the store or the run has
            _stop_monitor(self._monitor)

        note = None if self._description is None else self._description.ended(self._id, state, reason, self._last)

        def close() -> None:
            if len(self._pending) > _METRICS_PER_CALL:
                self._send_pending()
            close_run(self._client, self._id, state, reason, note=note, metrics=self._pending)
            self._pending = []

        if not self._delivered(close):
            uri = redacted(self._uri)
            log.warning("tracking.uri=%s: run %s stays open there, and what was not delivered is missing", uri, self._id)

    def _send_pending(self) -> None:
        while self._pending:
            self._client.log_batch(self._id, metrics=self._pending[:_METRICS_PER_CALL])
            del self._pending[:_METRICS_PER_CALL]

    def _delivered(self, call: Callable[[], object]) -> bool:
        """Tell whether `call` reached the store.

        Raises:
            ConnectionError: it did not, and the store is required.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        began = time.monotonic()
        try:
            call()
        except (MlflowException, SQLAlchemyError, OSError) as error:
            now = time.monotonic()
            self._rests_until = now + _REST * (now - began)
            message = f"tracking.uri={redacted(self._uri)}: lost ({cause(error)})"
            if self._required:
                raise ConnectionError(f"{message}; tracking.required=false trains on without it") from error
            if not self._is_lost:
                log.warning("%s; training goes on", message)
            self._is_lost = True
            return False
        if self._is_lost:
            log.info("tracking.uri=%s: is back", redacted(self._uri))
        self._is_lost = False
        return True


def _start_monitor(run_id: str, uri: str, *, is_continued: bool) -> Any:
    """Return MLflow's monitor of this machine, running, or nothing where it cannot run."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    # It reports a lost store in lines of its own; the record says so once.
    logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
    try:
        settings = {"resume_logging": is_continued, "tracking_uri": absolute(uri)}
        monitor: Any = SystemMetricsMonitor(run_id, **settings)  # type: ignore[no-untyped-call]
        monitor.start()
    except Exception as error:  # whatever a driver raises, a missing reading must not cost a training
        log.warning("system metrics are not recorded: %s", cause(error))
        return None
    return monitor


def _stop_monitor(monitor: Any) -> None:
    """Stop MLflow's monitor after a last reading, the only one of a run shorter than its interval of 10 seconds."""
    with suppress(Exception):
        monitor.collect_metrics()
        monitor.publish_metrics(monitor.aggregate_metrics())
    monitor.finish()
