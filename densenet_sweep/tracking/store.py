"""The MLflow store: where it is, and that it is ready before several processes use it.

MLflow is told nothing globally: every function here returns a client of its own.
"""

import logging
import os
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# MLflow's own defaults keep a training waiting for minutes where a server has died. The user's settings win.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def check_uri(uri: str) -> None:
    """Refuse what MLflow cannot record to.

    Raises:
        ValueError: naming `tracking.uri` and what is accepted.
    """
    scheme = urllib.parse.urlsplit(uri).scheme.split("+")[0]
    if scheme not in (*_DATABASES, "http", "https"):
        hint = "; MLflow 3.13 and newer refuse a plain folder" if scheme in ("", "file") else ""
        raise ValueError(
            f"tracking.uri={uri}: a database (sqlite:///mlruns/mlflow.db, postgresql://...) or a server (http://...) "
            f"is accepted{hint}"
        )


def is_server(uri: str) -> bool:
    """Tell whether `uri` is an MLflow server's."""
    return uri.startswith(("http://", "https://"))


def connect(uri: str) -> "MlflowClient":
    """Return a client of the store at `uri`; a sqlite file's folder is made, and its tables are made once.

    Raises:
        ValueError: `uri` is no store.
        OSError: the folder cannot be written.
    """
    check_uri(uri)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    # Alembic and MLflow report every migration step of a new database, which says nothing to a user.
    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow import MlflowClient

    if uri.startswith("sqlite:///"):
        database = Path(uri.removeprefix("sqlite:///"))
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{database}.lock"):  # the first use makes the tables, and two at once break it
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
            return client
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment_id(client: "MlflowClient", uri: str, name: str, artifact_location: str) -> str:
    """Return the id of the experiment `name`, made on its first use; a server keeps artifacts where it wants to."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = None if is_server(uri) else Path(artifact_location).resolve().as_uri()
        from mlflow.exceptions import MlflowException

        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise ValueError(f"tracking.experiment={name}: was deleted in MLflow; restore it there or choose another name")
    return str(found.experiment_id)
