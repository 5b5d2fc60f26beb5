"""The weights of a sweep's trials in MLflow: uploaded for those to keep, deleted for the others."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.tracking.run import TRIAL_NUMBER
from densenet_sweep.tracking.study_runs import StudyRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# The tag of a run whose weights are in MLflow.
_TAG = "weights"
_KEPT = "kept"


def settle(runs: StudyRuns, name: str, best: Collection[int], uploads: Mapping[int, Path]) -> None:
    """Delete the weights of all trials but the `best`, and upload those of `uploads` that MLflow lacks.

    Args:
        runs: of the study.
        name: of a trial's file of weights.
        best: numbers of trials.
        uploads: the files, by number.
    """
    there = runs.matching(f"tags.`{_TAG}` = '{_KEPT}'")
    for run in there:
        if int(run.data.tags[TRIAL_NUMBER]) not in best:
            _delete(runs.client, run, name)
    have = {run.info.run_id for run in there}
    for number, file in uploads.items():
        for run in runs.of_trial(number)[:1]:
            if run.info.run_id not in have or not _has_weights(runs.client, run, name):
                runs.client.set_tag(run.info.run_id, _TAG, _KEPT)  # first: the deletion looks for it
                runs.client.log_artifact(run.info.run_id, str(file))


def _has_weights(client: "MlflowClient", run: "Run", name: str) -> bool:
    """Return whether the weights arrived: a process may have died between setting the tag and sending them."""
    return any(file.path == name for file in client.list_artifacts(run.info.run_id))


def _delete(client: "MlflowClient", run: "Run", name: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with suppress(NotImplementedError):  # some kinds of artifact store cannot delete
        repository: Any = get_artifact_repository(run.info.artifact_uri, tracking_uri=client.tracking_uri)
        repository.delete_artifacts(name)
    client.delete_tag(run.info.run_id, _TAG)
