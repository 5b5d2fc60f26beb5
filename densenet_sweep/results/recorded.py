"""The studies in an MLflow store, found by their sweeps' runs, for use on machines other than the sweep's."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_async_sweeper.application import STUDY_ID, FoundStudy, storage_file

from densenet_sweep.config.schema import MlflowConfig
from densenet_sweep.results import from_mlflow
from densenet_sweep.results.study import Study
from densenet_sweep.tracking.access import answering, exists, uncollected
from densenet_sweep.tracking.store import connect
from densenet_sweep.tracking.study_runs import STUDY_ID_TAG

if TYPE_CHECKING:
    import optuna
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Runs per request; a server would need longer for more than a client waits.
_PAGE = 500


@dataclass(frozen=True)
class RecordedStudy:
    """A study and its sweep's run in MLflow.

    Attributes:
        name: of the study.
        folder: of the sweep, on the machine where it ran.
        storage: as given to the sweep, without a password; None if the run does not say.
        n_trials: the budget.
        tracking: the store of its runs.
        parent: the sweep's run.
    """

    name: str
    folder: Path
    storage: str | None
    n_trials: int | None
    tracking: MlflowConfig
    parent: "Run"

    @property
    def command(self) -> str | None:
        """The command that ran the sweep, if its run has it."""
        typed: str | None = self.parent.data.tags.get("command")
        return typed

    def load(self) -> "optuna.Study | Study":
        """Return the study in its storage if that can be read from here, else the values that its runs have.

        Raises:
            ConnectionError: MLflow does not answer any more.
        """
        try:
            return self._stored()
        except Exception as error:  # each driver has its own
            why = " ".join(str(error).split()) or type(error).__name__
        with answering(self.tracking.uri), uncollected():
            runs = trials_of(connect(self.tracking.uri), self.parent)
            return from_mlflow.read_study(self.parent, runs, why)

    def _stored(self) -> "optuna.Study":
        """Return the study from its storage.

        Raises:
            Exception: it cannot be read from here, or another study of this name is there.
        """
        if self.storage is None:
            raise ValueError("its storage is not known")
        file = storage_file(self.storage, self.folder)
        if file is not None and not file.is_file():
            raise ValueError(f"{file} is not on this machine")
        study: optuna.Study = FoundStudy(self.name, self.folder, self.storage).load()
        if study.user_attrs.get(STUDY_ID) != self.parent.data.tags.get(STUDY_ID_TAG):
            raise ValueError("its storage holds another study of this name")
        return study


def recorded(tracking: MlflowConfig, name: str | None = None) -> list[RecordedStudy]:
    """Return the studies that have a run in the store, or those called `name`, the one begun last first.

    Raises:
        ConnectionError: the store cannot be used.
        ValueError: `tracking.uri` is no store.
    """
    if not exists(tracking.uri):
        return []
    from densenet_sweep.tracking.run import quoted

    query = "tags.`role` = 'study'" + ("" if name is None else f" AND tags.`study` = {quoted(name)}")
    with answering(tracking.uri):
        client = connect(tracking.uri)
        experiment = client.get_experiment_by_name(tracking.experiment)
        if experiment is None:
            return []
        runs = client.search_runs([experiment.experiment_id], query, order_by=["start_time DESC"], max_results=_PAGE)
    by_name: dict[str, RecordedStudy] = {}
    for run in runs:
        tags = run.data.tags
        number = tags.get("n_trials", "")
        found = RecordedStudy(
            name=tags["study"],
            folder=Path(tags.get("sweep.dir", "")),
            storage=tags.get("study.storage"),
            n_trials=int(number) if number.isdigit() else None,
            tracking=tracking,
            parent=run,
        )
        by_name.setdefault(found.name, found)
    return list(by_name.values())


def what_run(tracking: MlflowConfig, run_id: str) -> str | None:
    """Return a description of the run with that id, or None; users type ids in place of names.

    Raises:
        ConnectionError: the store cannot be used.
    """
    from mlflow.exceptions import MlflowException

    with answering(tracking.uri):
        try:
            tags = connect(tracking.uri).get_run(run_id).data.tags
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return None
    if "study" not in tags:
        return "a run of no study"
    return f"the run of study {tags['study']}" if tags.get("role") == "study" else f"a run of study {tags['study']}"


def trials_of(client: "MlflowClient", parent: "Run") -> "list[Run]":
    """Return the runs of a sweep's trials; `parent` is the sweep's run."""
    from densenet_sweep.tracking.run import PARENT, every

    query = f"tags.`{PARENT}` = '{parent.info.run_id}' AND tags.`trial.number` LIKE '%'"
    return every(client, parent.info.experiment_id, query)
