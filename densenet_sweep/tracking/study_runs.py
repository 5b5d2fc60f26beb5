"""The runs of one study in an MLflow experiment: its sweep's, called the parent, and those of its trials.

A study's name is unique in its storage, and an experiment may hold the runs of many storages. So the engine gives each study an
id, and its runs carry it as a tag. A study of 0.1 has no id: its runs are those of its name that carry none.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.run import PARENT, TRIAL_NUMBER, every, process_tags, quoted, shortened

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger("densenet_sweep")

# The tags of a study's runs, and of its parent alone.
STUDY_TAG = "study"
STUDY_ID_TAG = "study.id"
_IS_PARENT = "tags.`role` = 'study'"

_SAME_NAME = (
    "study %s: the MLflow experiment has another study of this name, whose folder is %s; their runs are kept apart, and "
    "hydra.sweeper.study_name=NAME gives this one a name of its own"
)


class StudyKey(NamedTuple):
    """What tells a study from all others in an experiment; `id` is None for a study of 0.1."""

    name: str
    id: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its runs."""
        return {STUDY_TAG: self.name, **({} if self.id is None else {STUDY_ID_TAG: self.id})}

    def query(self, *conditions: str) -> str:
        """Return a search for its runs that meet all conditions; `has` must still check what it finds."""
        return " AND ".join([*(f"tags.`{tag}` = {quoted(text)}" for tag, text in self.tags.items()), *conditions])

    def has(self, run: "Run") -> bool:
        """Return whether a run that `query` found is the study's. MLflow 3.13 cannot search for a missing tag."""
        return run.data.tags.get(STUDY_ID_TAG) == self.id


@dataclass(frozen=True)
class StudyRuns:
    """The runs of `study` in the experiment with the id `experiment`, through a client of its store."""

    client: "MlflowClient"
    experiment: str
    study: StudyKey

    def matching(self, *conditions: str) -> "list[Run]":
        """Return the runs that meet all conditions, the one begun last first."""
        found = every(self.client, self.experiment, self.study.query(*conditions), order_by=["start_time DESC"])
        return [run for run in found if self.study.has(run)]

    def of_trial(self, number: int) -> "list[Run]":
        """Return the runs of a trial, that of the last attempt first."""
        return self.matching(f"tags.`{TRIAL_NUMBER}` = '{number}'")

    def find_parent(self) -> ParentRun | None:
        """Return the parent, or None."""
        return next(iter(self._parents()), None)

    def only_parent(self) -> ParentRun | None:
        """Return the same, and remove duplicates from commands that opened a new study at the same moment.

        MLflow has no create-if-absent. Every command looks again after creating a run, and all use the same order.
        """
        found = self._parents()
        for other in found[1:]:
            for child in every(self.client, self.experiment, f"tags.`{PARENT}` = '{other.id}'"):
                self.client.set_tag(child.info.run_id, PARENT, found[0].id)
            self.client.delete_run(other.id)
        return next(iter(found), None)

    def open_parent(self, *, about: Mapping[str, str], params: Mapping[str, str], tags: Mapping[str, str]) -> ParentRun:
        """Return the parent, created if there is none, as the running run of this process.

        Args:
            about: tags of a new one.
            params: of a new one.
            tags: of this start of the sweep.
        """
        from mlflow.entities import Param, RunTag

        from densenet_sweep.tracking.provenance import git_tags

        parent, is_new = self.only_parent(), False
        if parent is None:
            for other in parents_called(self.client, self.experiment, self.study.name)[:1]:
                log.warning(_SAME_NAME, self.study.name, other.data.tags.get("sweep.dir", "an unknown folder"))
            known = {**self.study.tags, "role": "study", **about, **git_tags()}
            run = self.client.create_run(self.experiment, run_name=self.study.name, tags=known)
            made = self._parent(run)
            parent = self.only_parent() or made
            is_new = parent.id == made.id
        self.client.log_batch(
            parent.id,
            params=[Param(key, text) for key, text in params.items()] if is_new else [],
            tags=[RunTag(key, text) for key, text in shortened({**tags, **process_tags()}).items()],
        )
        self.client.update_run(parent.id, status="RUNNING")
        return parent

    def _parents(self) -> list[ParentRun]:
        found = self.matching(_IS_PARENT)
        return [self._parent(run) for run in sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))]

    def _parent(self, run: "Run") -> ParentRun:
        return ParentRun(self.client, self.experiment, str(run.info.run_id))


def parents_called(client: "MlflowClient", experiment: str, name: str) -> "list[Run]":
    """Return the parents of all studies of that name, the one begun last first."""
    return every(client, experiment, StudyKey(name).query(_IS_PARENT), order_by=["start_time DESC"])
