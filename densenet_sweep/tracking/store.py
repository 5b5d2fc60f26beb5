"""The MLflow store: where it is, and its setup before several processes use it.

No tracking URI is set globally: `connect` returns a client of its own.
"""

import http.client
import importlib.resources
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from hydra_async_sweeper.application import package_needs, scrubbed
from hydra_async_sweeper.application import redacted as redacted

from densenet_sweep.config.tracking_uri import check_uri, is_server, sqlite_file, sqlite_uri
from densenet_sweep.tracking import new_database

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own defaults make a training wait for minutes when a server has died, and print two lines for each run that
# ends. The user's settings win.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

# Of a server's own words, in a message.
_MOST_LETTERS = 120

# Ids by store and name.
_experiments: dict[tuple[str, str], str] = {}


class DeletedExperimentError(ValueError):
    """The experiment was deleted in MLflow; the message is one line with its name and what helps."""


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that a store raises when it fails."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError


def cause(error: BaseException) -> str:
    """Return on one line why MLflow failed: the operating system's own words where it has any, and no password."""
    for link in _chain(error):
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
        if isinstance(link, TimeoutError):
            return "no answer"
        if isinstance(link, http.client.RemoteDisconnected):
            return "it closed the connection"
        if isinstance(link, ModuleNotFoundError) and link.name:
            return package_needs(link.name)
    message = str(error).strip()
    schema = re.search(r"out-of-date database schema \(found version (\w+)", message)
    if schema:
        return _other_version(schema[1])
    # No page, no object, not empty.
    refusal = re.search(r"failed with error code (\d{3}) != 200\. Response body: '\s*([^\s<{'][^\r\n]*)", message)
    if refusal and "Invalid Host header" in refusal[2]:
        return "it does not answer to this name, as --allowed-hosts of the `mlflow server` does not list it"
    if refusal:
        words = refusal[2].rstrip("' ")[:_MOST_LETTERS]
        return scrubbed(f"it answers with status {refusal[1]}: {words}")
    status = re.search(r"too many (\d{3}) error responses|failed with error code (\d{3})", message)
    if status:
        return f"it answers with status {status[1] or status[2]}"
    return scrubbed((message.splitlines() or [type(error).__name__])[0])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it holds, as urllib3's hold the operating system's, and what they were raised from."""
    left, seen = [error], set[int]()
    while left:
        link = left.pop(0)
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            held = [it for it in (*link.args, link.__cause__ or link.__context__) if isinstance(it, BaseException)]
            left.extend(held)


def _other_version(schema: str) -> str:
    """Return advice for a database with another schema; MLflow calls it out of date even if it is newer."""
    import mlflow

    known = importlib.resources.files("mlflow.store.db_migrations") / "versions"
    if any(file.name.startswith(f"{schema}_") for file in known.iterdir()):
        return f"it was written by an older MLflow than {mlflow.__version__}; `mlflow db upgrade`, after a backup, converts it"
    newer = f"it was written by a newer MLflow than {mlflow.__version__}, which does not know its schema {schema}"
    return f"{newer}; pip install --upgrade mlflow"


def absolute(uri: str) -> str:
    """Return `uri` with a sqlite file's path made absolute: MLflow caches a store by URI, whatever the working folder."""
    database = sqlite_file(uri)
    return uri if database is None else sqlite_uri(database, uri)


def connect(uri: str) -> "MlflowClient":
    """Return a client of the store at `uri`; a sqlite file's folder is made, and its tables are made once.

    Raises:
        ValueError: `uri` is no store.
        OSError: the folder cannot be written, or the file was left half made.
    """
    check_uri(uri)
    # Progress bars of small files say nothing, and litter a log.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # Alembic and MLflow report every migration step of a new database, which says nothing to a user.
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # MLflow logs a page of traceback for a locked database, and raises the error too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # A line for each attempt to reach a dead server says nothing more; the caller logs it once.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    from mlflow import MlflowClient

    uri = absolute(uri)
    database = sqlite_file(uri)
    if database is None:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):  # the first process creates the tables, and the others wait
        new_database.make(database)
        try:
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
        except Exception as error:
            new_database.refuse_half_made(database, error)
            raise
        return client


def experiment_id(client: "MlflowClient", uri: str, name: str, artifact_location: str) -> str:
    """Return the id of the experiment `name`, created on first use; a server chooses its own artifact location.

    Cached in the process: all trials of a worker belong to one experiment.
    """
    key = (str(client.tracking_uri), name)
    if key not in _experiments:
        _experiments[key] = _experiment_id(client, uri, name, artifact_location)
    return _experiments[key]


def _experiment_id(client: "MlflowClient", uri: str, name: str, artifact_location: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        location = None if is_server(uri) else artifact_uri(artifact_location)
        from mlflow.exceptions import MlflowException

        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise DeletedExperimentError(
            f"tracking.experiment={name}: was deleted in MLflow; restore it there or choose another name"
        )
    return str(found.experiment_id)


def artifact_uri(location: str) -> str:
    """Return `tracking.artifact_location` as MLflow keeps it: a folder, absolute, or a bucket as it is."""
    return location if "://" in location else Path(location).resolve().as_uri()
