"""Data that a run has yet to send to MLflow: in memory while the store answers, in the run's folder while it does not.

Everything may be sent again, by this process or another: the key finds a run that may already have begun, and only missing
metrics and parameters are sent.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.tracking import run as runs
from densenet_sweep.tracking.mlflow_private import last_steps
from densenet_sweep.tracking.record import DataUsed
from densenet_sweep.tracking.store import absolute, redacted
from densenet_sweep.tracking.study_runs import STUDY_ID_TAG, StudyKey

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

FILE = "mlflow_outbox.json"

# Below MLflow's limit, to leave room for the tags of a run's end.
_METRICS_PER_CALL = 900


def now() -> int:
    """Return the time in milliseconds, as MLflow stores it."""
    return int(time.time() * 1000)


def shown_store(uri: str) -> str:
    """Return how an outbox names the store at `uri`: without a password."""
    return redacted(absolute(uri))


@dataclass
class End:
    """The end of a run: its state and reason, the time in ms, and the text of its page."""

    state: str
    reason: str | None
    time: int
    note: str | None = None


@dataclass
class Outbox:
    """Unsent data of one run. Its notes hold the run's key in place of its id, which has the same length.

    Attributes:
        store: URI, without a password.
        experiment: its name there.
        key: a tag unique to the run.
        study_name: of the study that it belongs to.
        name: the run's, for people.
        parameters: by override path, as MLflow shows them.
        tags: of the run when it begins.
        note: text of its page while it is open.
        began: start time in ms.
        run_id: in the store, where it is known.
        inputs: the data that it uses.
        metrics: name, value, time in ms and step, in the order of the steps.
        files: folders to upload, with the names to leave out.
        end: its outcome; None while it is open.
    """

    store: str
    experiment: str
    key: str
    study_name: str | None
    name: str
    parameters: dict[str, str]
    tags: dict[str, str]
    note: str | None = None
    began: int = field(default_factory=now)
    run_id: str | None = None
    inputs: list[DataUsed] = field(default_factory=list)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    files: list[tuple[str, list[str]]] = field(default_factory=list)
    end: End | None = None

    def __post_init__(self) -> None:
        """Initialize what only this process knows, such as whether the run is new and whether it is open."""
        self.is_new = False
        self.is_open = False
        self.last_step = 0  # the last whose metrics the store had when the run was opened
        self.make_inputs: Callable[[], Sequence[DataUsed]] | None = None
        self._steps: dict[str, int] = {}
        self._was_incomplete = False

    @property
    def study(self) -> StudyKey | None:
        """The study that it belongs to."""
        return None if self.study_name is None else StudyKey(self.study_name, self.tags.get(STUDY_ID_TAG))

    @property
    def is_empty(self) -> bool:
        """Whether the store has all that was recorded so far."""
        return self.is_open and not self.metrics and not self.files and self.end is None

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        """Add metrics of a step, except those already recorded (by a killed process, say) or added."""
        added = {(name, of) for name, _, _, of in self.metrics}
        at = now()
        for name, value in metrics.items():
            if step > self._steps.get(name, -1) and (name, step) not in added:
                self.metrics.append((name, float(value), at, step))

    def send(self, client: "MlflowClient", experiment: str, parent: str | None) -> None:
        """Send everything; after an error, what did not arrive stays here.

        Args:
            client: of the store.
            experiment: its id.
            parent: the id of the study's run, where there is one.

        Raises:
            mlflow.exceptions.MlflowException, OSError: the store fails, or refuses it (see `is_refused`).
        """
        if not self.is_open:
            self._open(client, experiment, parent)
            self.is_open = True
        run_id = self.run_id
        assert run_id is not None
        while self.files:
            folder, without = self.files[0]
            runs.upload(client, run_id, Path(folder), without)
            del self.files[0]
        while len(self.metrics) > (_METRICS_PER_CALL if self.end else 0):
            client.log_batch(run_id, metrics=entities(self.metrics[:_METRICS_PER_CALL]))
            del self.metrics[:_METRICS_PER_CALL]
        if self.end is not None:
            end = self.end
            note = None if end.note is None else end.note.replace(self.key, run_id)
            last = entities(self.metrics)
            runs.close_run(client, run_id, end.state, end.reason, note=note, metrics=last, end_time=end.time)
            self.metrics.clear()
            self.end = None
            if self._was_incomplete:
                client.delete_tag(run_id, runs.INCOMPLETE)
                self._was_incomplete = False

    def _open(self, client: "MlflowClient", experiment: str, parent: str | None) -> None:
        if self.run_id is None and not self.is_new:
            self.run_id = runs.find_by_key(client, experiment, self.key)
        there = None if self.run_id is None else runs.existing(client, self.run_id)
        if self.run_id is not None and there is None:
            log.warning("MLflow run %s is not in this store; a new run is begun", self.run_id)
            self.run_id = None
        if there is None or self.run_id is None:
            self.is_new = False  # whatever this call raises, the run may have been begun
            family = {} if parent is None else {runs.PARENT: parent}
            tags = {**self.tags, **family, runs.KEY: self.key, "trial.state": "running"}
            self.run_id = runs.begin(client, experiment, self.name, tags, self.began)
        elif self.end is None:
            runs.open_again(client, there)
        if there is not None:
            self._was_incomplete = runs.INCOMPLETE in there.data.tags
            self._steps = last_steps(there)
            self.last_step = max(self._steps.values(), default=0)
            self.metrics = [it for it in self.metrics if it[3] > self._steps.get(it[0], -1)]
        if there is None or there.inputs is None or not there.inputs.dataset_inputs:
            self._take_inputs()
        note = None if self.note is None or self.end is not None else self.note.replace(self.key, self.run_id)
        runs.describe(client, self.run_id, there, self.parameters, note, self.inputs)
        self.inputs = []

    def _take_inputs(self) -> None:
        if self.make_inputs is not None:
            self.inputs, self.make_inputs = list(self.make_inputs()), None

    def save(self, folder: Path) -> None:
        """Write the unsent data to the run's folder, or remove the file if there is none.

        Raises:
            OSError: it cannot be written.
        """
        path = folder / FILE
        if self.is_empty:
            path.unlink(missing_ok=True)
            return
        if self.run_id is None:
            self._take_inputs()
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{FILE}.{uuid.uuid4().hex}")
        try:
            partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def read(folder: Path) -> Outbox | None:
    """Return the unsent data of the run in `folder`, or nothing."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["inputs"] = [DataUsed(**used) for used in content["inputs"]]
        content["metrics"] = [tuple(metric) for metric in content["metrics"]]
        content["files"] = [tuple(entry) for entry in content["files"]]
        content["end"] = None if content["end"] is None else End(**content["end"])
        return Outbox(**{key: content[key] for key in (it.name for it in fields(Outbox))})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s: cannot be read (%s), so what it keeps for MLflow is not sent", path, error)
        return None


def is_refused(error: BaseException) -> bool:
    """Return whether the store answered and will never accept this: a name that it does not allow, a deleted run."""
    code: Any = getattr(error, "error_code", None)
    return code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")


def entities(metrics: Sequence[tuple[str, float, int, int]]) -> list[Any]:
    """Return metrics as MLflow's client takes them."""
    from mlflow.entities import Metric

    return [Metric(*metric) for metric in metrics]
