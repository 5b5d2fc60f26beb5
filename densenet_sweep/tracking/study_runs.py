"""The runs of one study in an MLflow experiment: its sweep's, called the parent, and those of its trials.

A study's name is unique in its storage, and an experiment may hold the runs of many storages. So the engine gives each study an
id, and its runs carry it as a tag. A study of 0.1 has no id: its runs are those of its name that carry none.
"""

from typing import TYPE_CHECKING, NamedTuple

from densenet_sweep.tracking.run import PARENT, every, quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# The tags of a study's runs, and of its parent alone.
STUDY_TAG = "study"
STUDY_ID_TAG = "study.id"
_IS_PARENT = "tags.`role` = 'study'"


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


def matching(client: "MlflowClient", experiment: str, study: StudyKey, *conditions: str) -> "list[Run]":
    """Return the study's runs that meet all conditions, the one begun last first."""
    found = every(client, experiment, study.query(*conditions), order_by=["start_time DESC"])
    return [run for run in found if study.has(run)]


def find_parent(client: "MlflowClient", experiment: str, study: StudyKey) -> str | None:
    """Return the id of the parent, or nothing."""
    found = _parents(client, experiment, study)
    return found[0] if found else None


def only_parent(client: "MlflowClient", experiment: str, study: StudyKey) -> str | None:
    """Return the same, and remove duplicates from commands that opened a new study at the same moment.

    MLflow has no create-if-absent. Every command looks again after creating a run, and all use the same order.
    """
    found = _parents(client, experiment, study)
    for other in found[1:]:
        for child in every(client, experiment, f"tags.`{PARENT}` = '{other}'"):
            client.set_tag(child.info.run_id, PARENT, found[0])
        client.delete_run(other)
    return found[0] if found else None


def parents_called(client: "MlflowClient", experiment: str, name: str) -> "list[Run]":
    """Return the parents of all studies of that name, the one begun last first."""
    return every(client, experiment, StudyKey(name).query(_IS_PARENT), order_by=["start_time DESC"])


def _parents(client: "MlflowClient", experiment: str, study: StudyKey) -> list[str]:
    found = matching(client, experiment, study, _IS_PARENT)
    return [str(run.info.run_id) for run in sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))]
