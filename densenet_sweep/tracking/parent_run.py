"""The run of a sweep, which is the parent of its trials' runs: what is written to it while the sweep runs, and at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from hydra_async_sweeper.events import Outcome

from densenet_sweep.tracking import trial_run
from densenet_sweep.tracking.run import PARENT, TRIAL_NUMBER, shortened
from densenet_sweep.tracking.trial_run import TrialRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's status of a sweep's run by its outcome; see `hydra_async_sweeper.events`.
_STATUS: Mapping[Outcome, str] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


@dataclass(frozen=True)
class ParentRun:
    """The run with the id `id` in the experiment with the id `experiment`, through a client of its store.

    Every method raises MLflow's exceptions where the store fails; see `store.failures`.
    """

    client: "MlflowClient"
    experiment: str
    id: str

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set tags, in one call."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.id, tags=[RunTag(key, text) for key, text in shortened(tags).items()])

    def annotate(self, tags: Mapping[str, str], metrics: Mapping[str, float] = MappingProxyType({})) -> None:
        """Set tags and metrics, one by one."""
        for key, value in tags.items():
            self.client.set_tag(self.id, key, value)
        for name, number in metrics.items():
            self.client.log_metric(self.id, name, number)

    def trial(self, number: int) -> TrialRun | None:
        """Return the run of a trial, that of the last attempt; None if it has none."""
        query = f"tags.`{PARENT}` = '{self.id}' AND tags.`{TRIAL_NUMBER}` = '{number}'"
        found = self.client.search_runs([self.experiment], query, order_by=["start_time DESC"], max_results=1)
        return trial_run.from_run(found[0]) if found else None

    def log_best(self, objective: str, best: Sequence[int]) -> None:
        """Log the objective of the first of the trials `best`, which are complete, best first; a step is a complete trial."""
        run = self.trial(best[0])
        if run is not None and objective in run.metrics:
            self.client.log_metric(self.id, f"best_{objective}", run.metrics[objective], step=len(best))

    def keep(self, file: Path) -> None:
        """Store a file."""
        self.client.log_artifact(self.id, str(file))

    def keep_all(self, folder: Path) -> None:
        """Store all files and folders in `folder`."""
        self.client.log_artifacts(self.id, str(folder))

    def kept(self) -> list[str]:
        """Return the names of the stored files and folders."""
        return sorted(file.path for file in self.client.list_artifacts(self.id))

    def command(self) -> str:
        """Return the command that started the sweep; empty if its run does not say."""
        typed: str = self.client.get_run(self.id).data.tags.get("command", "")
        return typed

    def end(self, outcome: Outcome, tags: Mapping[str, str]) -> None:
        """Set tags, and close the run with MLflow's status for the sweep's outcome."""
        self.tag(tags)
        self.client.set_terminated(self.id, status=_STATUS[outcome])
