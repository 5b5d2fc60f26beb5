"""Where the trials of a study ran and with what code, from the tags of their runs in MLflow."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from densenet_sweep.config.schema import ConfigError
from densenet_sweep.config.tracking_uri import sqlite_file
from densenet_sweep.results.study import Study
from densenet_sweep.tracking.access import answering, mlflow_config
from densenet_sweep.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient


def tags_of(client: "MlflowClient", study: Study) -> dict[str, str]:
    """Return the tags of the run of the study's last trial that has one; empty if it is not in this store."""
    from mlflow.exceptions import MlflowException

    for trial in reversed(study.trials):
        if trial.run_id is None:
            continue
        try:
            return dict(client.get_run(trial.run_id).data.tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
    return {}


def known_tags(study: Study, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Return the same from the store that `overrides` name; empty if there is none or it does not answer."""
    with suppress(ConfigError, ConnectionError):
        tracking = mlflow_config(overrides, "where a study ran")
        database = sqlite_file(tracking.uri)
        if database is None or database.is_file():  # connecting would create the file
            with answering(tracking.uri):
                return tags_of(connect(tracking.uri), study)
    return {}
