"""Where the trials of a study ran and with what code, from the tags of their runs in MLflow, and where these are shown."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from densenet_sweep.config.schema import ConfigError
from densenet_sweep.config.tracking_uri import is_server, sqlite_file
from densenet_sweep.results.study import Study
from densenet_sweep.tracking.access import answering, mlflow_config
from densenet_sweep.tracking.run import KEY
from densenet_sweep.tracking.store import connect, redacted
from densenet_sweep.tracking.study_runs import StudyKey, StudyRuns

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Of `densenet-sweep ui`, which takes another port only if this one is taken.
_LOCAL_SITE = "http://127.0.0.1:5000/"


@dataclass(frozen=True)
class Provenance:
    """What MLflow knows about a study's trials.

    Attributes:
        study: with the ids of all their runs, also of those that the store received late.
        tags: of the run of the last trial that has one.
        runs: the address of the runs, to which a run's id is added; None without a run. That of a store without a server is
            where `densenet-sweep ui` shows it.
        uri: of the store; None if none answers.
    """

    study: Study
    tags: Mapping[str, str] = field(default_factory=dict)
    runs: str | None = None
    uri: str | None = None


def with_late_runs(client: "MlflowClient", study: Study) -> Study:
    """Return the study with the ids of the runs that the store received late, which it does not have itself."""
    if all(trial.run_id is not None or trial.record_key is None for trial in study.trials):
        return study
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    key = StudyKey(study.name, study.id)
    found = [run for it in experiments for run in StudyRuns(client, it, key).matching()]
    ids = {run.data.tags.get(KEY): run.info.run_id for run in found}
    trials = tuple(
        trial if trial.run_id is not None or trial.record_key is None else replace(trial, run_id=ids.get(trial.record_key))
        for trial in study.trials
    )
    return replace(study, trials=trials)


def read(study: Study, uri: str) -> Provenance:
    """Return what the store at `uri` knows about the study's last trial that has a run."""
    from mlflow.exceptions import MlflowException

    client = connect(uri)
    study = with_late_runs(client, study)
    for trial in reversed(study.trials):
        if trial.run_id is None:
            continue
        try:
            run = client.get_run(trial.run_id)
            site = f"{redacted(uri).rstrip('/')}/" if is_server(uri) else _LOCAL_SITE
            return Provenance(study, dict(run.data.tags), f"{site}#/experiments/{run.info.experiment_id}/runs/", uri)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            break
    return Provenance(study, uri=uri)


def known(study: Study, overrides: Sequence[str] = ()) -> Provenance:
    """Return the same from the store that `overrides` name; empty if there is none or it does not answer."""
    with suppress(ConfigError, ConnectionError):
        tracking = mlflow_config(overrides, "where a study ran")
        database = sqlite_file(tracking.uri)
        if database is None or database.is_file():  # connecting would create the file
            with answering(tracking.uri):
                return read(study, tracking.uri)
    return Provenance(study)
