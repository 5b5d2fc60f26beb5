"""One run in MLflow, as a record that a failing server cannot hurt."""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.config.tracking_uri import check_uri
from densenet_sweep.tracking import left_behind, outbox
from densenet_sweep.tracking.dead_runs import close_dead_runs
from densenet_sweep.tracking.null_record import NullRecord
from densenet_sweep.tracking.outbox import End, Outbox
from densenet_sweep.tracking.record import DataUsed, Record, State
from densenet_sweep.tracking.run import process_tags, shown
from densenet_sweep.tracking.run_note import Description
from densenet_sweep.tracking.store import absolute, cause, connect, experiment_id, failures, redacted
from densenet_sweep.tracking.study_runs import StudyKey, StudyRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

# The parents of studies, by store, experiment and study.
_parents: dict[tuple[str, str, StudyKey], str] = {}

# After a failed call, none is tried for _REST times its duration: an outage costs a tenth of the time. After an epoch's call,
# none is made for _REST_OF_EPOCHS times its duration: short epochs share a call, and calls cost a hundredth of the time.
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
    key: str | None = None,
    may_exist: bool = False,
    study_id: str | None = None,
    folder: Path | None = None,
    description: Description | None = None,
    numbers: Mapping[str, float] | None = None,
    inputs: Callable[[], Sequence[DataUsed]] = tuple,
) -> Record:
    """Return the open record of a new run, or of the run that is continued.

    Args:
        uri: of the store, a database or a server.
        artifact_location: folder for files, where a database is the store.
        experiment: its name; made on first use.
        required: a store that cannot be used is an error; otherwise training continues with a warning.
        system_metrics: record processor, memory and GPU use while the run is open.
        name: the run's, for people.
        parameters: by override path.
        tags: further facts.
        study_name: the run becomes a child of this study's parent run.
        run_id: of a run to continue.
        key: of the run, unique.
        may_exist: an earlier attempt may have begun the run under this key, with its id unknown.
        study_id: tells the study from others of its name.
        folder: of the run, where unsent data is kept; None: nowhere.
        description: of the run, for its page.
        numbers: metrics known before the first epoch.
        inputs: returns the data that it uses.

    Raises:
        ValueError: `uri` is no store.
        ConnectionError: the store cannot be used, and is required.
    """
    check_uri(uri)
    study = None if study_name is None else StudyKey(study_name, study_id)
    store = Store(uri, experiment, artifact_location, study)
    to_send = None if folder is None else outbox.read(folder)
    if to_send is None or (to_send.store, to_send.experiment) != (store.shown, experiment):
        key = key or uuid.uuid4().hex
        to_send = Outbox(
            store.shown,
            experiment,
            key,
            study_name,
            name,
            {path: shown(value) for path, value in parameters.items()},
            {**tags, **({} if study is None else study.tags)},
            None if description is None else description.text(key),
        )
        to_send.is_new = not may_exist
        to_send.make_inputs = inputs
    to_send.run_id = run_id or to_send.run_id
    to_send.tags |= process_tags()
    to_send.end = None
    record = MlflowRecord(
        store, to_send, folder, required=required, system_metrics=system_metrics, description=description, numbers=numbers
    )
    return record if record.begin() else NullRecord()


class Store:
    """The store of a run, connected to on first use; a failed connection is retried."""

    def __init__(self, uri: str, experiment: str, artifact_location: str, study: StudyKey | None) -> None:
        self.uri = uri
        self.shown = outbox.shown_store(uri)
        self._experiment = experiment
        self._artifact_location = artifact_location
        self._study = study
        self._client: MlflowClient | None = None
        self._number = ""

    def send(self, to_send: Outbox) -> None:
        """Send the contents of the outbox.

        Raises:
            mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError: the store fails.
        """
        if self._client is None:
            client = connect(self.uri)
            self._number = experiment_id(client, self.uri, self._experiment, self._artifact_location)
            if self._study is None:  # a sweep does so once, when it opens its study
                close_dead_runs(client, self._number)
                left_behind.send_single_runs(client, self._number, self.uri, self._experiment)
            self._client = client
        parent = None
        if not to_send.is_open and self._study is not None:
            parent = _parent(self._client, self._number, self._study)
        to_send.send(self._client, self._number, parent)


def _parent(client: "MlflowClient", experiment_number: str, study: StudyKey) -> str | None:
    """Return the id of the study's run, cached once it is found: all trials of a worker belong to one study."""
    key = (str(client.tracking_uri), experiment_number, study)
    if key not in _parents:
        found = StudyRuns(client, experiment_number, study).find_parent()
        if found is None:
            return None
        _parents[key] = found.id
    return _parents[key]


class MlflowRecord:
    """A run in MLflow. Without `required`, a failing store costs one warning; what it missed is sent again later.

    What it still misses when the run ends stays in the run's folder, in `mlflow_outbox.json`.
    """

    def __init__(
        self,
        store: Store,
        to_send: Outbox,
        folder: Path | None,
        *,
        required: bool,
        system_metrics: bool,
        description: Description | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        self._store = store
        self._outbox = to_send
        self._folder = folder
        self._required = required
        self._has_monitor = system_metrics
        self._monitor: Any = None
        self._description = description
        self._numbers = dict(numbers or {})
        self._last: dict[str, float] = {}
        self._is_lost = False
        self._is_refused = False
        self._is_kept = False
        self._rests_until = 0.0

    @property
    def run_id(self) -> str | None:
        """The run's id, once the store has given it one."""
        return self._outbox.run_id

    @property
    def last_step(self) -> int:
        """See `Record`; 0 where the store was away."""
        return self._outbox.last_step

    def begin(self) -> bool:
        """Begin or reopen the run, and return whether it is recorded; a store that is away receives it later.

        Raises:
            ConnectionError: the store cannot be used, and is required.
        """
        self._send("cannot be used", "trains without it")
        return not self._is_refused

    def epoch(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record `metrics`, with those that an earlier call could not deliver."""
        self._last |= metrics
        self._outbox.add(metrics, step)
        self._add_numbers()
        began = time.monotonic()
        if began >= self._rests_until and self._send("lost", "trains on without it"):
            ended = time.monotonic()
            self._rests_until = ended + _REST_OF_EPOCHS * (ended - began)
            if self._has_monitor and self._monitor is None:
                self._start_monitor()

    def artifacts(self, folder: Path, *, without: Collection[str] = ()) -> None:
        """Upload the files in `folder`."""
        if any(path.is_file() and path.name not in without for path in folder.rglob("*")):
            self._outbox.files.append((str(folder.absolute()), sorted(without)))
            self._send("lost", "trains on without it")

    def finish(self, state: State, reason: str | None) -> None:
        """Close the run with MLflow's status for `state`; the tag `trial.state` holds `state` itself."""
        self._add_numbers()
        if self._has_monitor and not self._last and not self._is_lost and self._send("lost", "trains on without it"):
            self._start_monitor()  # a sample may explain a failure in the first epoch
        self._stop_monitor()
        key = self._outbox.key
        note = None if self._description is None else self._description.ended(key, state, reason, self._last)
        self._outbox.end = End(state, reason, outbox.now(), note)
        if not self._send("lost", "trains on without it") and not self._is_refused:
            uri = redacted(self._store.uri)
            if self._is_kept and self._folder is not None:
                where = self._folder / outbox.FILE
                log.warning("tracking.uri=%s: still away; %s keeps what is missing there until it is back", uri, where)
            else:
                log.warning("tracking.uri=%s: what was not delivered of the run is missing there", uri)

    def _add_numbers(self) -> None:
        """Add metrics known before the first epoch after its own: MLflow's comparison opens on the metric recorded first."""
        self._outbox.add(self._numbers, 0)
        self._numbers = {}

    def _send(self, what: str, otherwise: str) -> bool:
        """Send the outbox and return whether the store now has all of it; if not, the run's folder keeps the rest.

        Raises:
            ConnectionError: the store fails and is required.
        """
        if self._is_refused:
            return False
        # A ValueError, such as a bad name, is raised before training, but does not end a training in progress.
        expected: tuple[type[Exception], ...] = (*failures(), ValueError) if self._is_lost else failures()
        began = time.monotonic()
        try:
            self._store.send(self._outbox)
        except expected as error:
            now = time.monotonic()
            self._rests_until = now + _REST * (now - began)
            self._is_refused = outbox.is_refused(error)
            message = f"tracking.uri={redacted(self._store.uri)}: {what} ({cause(error)})"
            if self._is_refused:
                self._forget()
            else:
                self._save()
            if self._required:
                raise ConnectionError(f"{message}; tracking.required=false {otherwise}") from error
            if self._is_refused:
                log.warning("%s; this run is not recorded", message)
            elif not self._is_lost:
                log.warning("%s; training continues", message)
            self._is_lost = True
            return False
        if self._is_lost:
            log.info("tracking.uri=%s: is back", redacted(self._store.uri))
            self._stop_monitor()  # it ended by itself during the outage; the next epoch starts another
        self._is_lost = False
        self._save()
        return True

    def _save(self) -> None:
        if self._folder is None:
            return
        try:
            self._outbox.save(self._folder)
            self._is_kept = True
        except OSError as error:
            self._is_kept = False
            if not self._is_lost:  # logged once per outage
                log.warning("%s: not written (%s)", self._folder / outbox.FILE, error.strerror or error)

    def _forget(self) -> None:
        if self._folder is not None:
            (self._folder / outbox.FILE).unlink(missing_ok=True)

    def _start_monitor(self) -> None:
        """Start it after the first metrics: MLflow's comparison page opens on the metric recorded first."""
        self._monitor = _start_monitor(str(self.run_id), self._store.uri)

    def _stop_monitor(self) -> None:
        if self._monitor is not None and not self._is_lost:  # it ends by itself if the store or the run is gone
            _stop_monitor(self._monitor)
        self._monitor = None


def _start_monitor(run_id: str, uri: str) -> Any:
    """Return MLflow's monitor of this machine, running, or nothing where it cannot run."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    # It logs a lost store itself; the record logs that once.
    logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
    try:
        settings = {"resume_logging": True, "tracking_uri": absolute(uri)}
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
