"""Atomic creation of an MLflow database file: complete or absent, even if the process dies."""

import contextlib
import sqlite3
import uuid
from pathlib import Path
from typing import Any

from densenet_sweep.config.tracking_uri import sqlite_uri


def make(database: Path) -> None:
    """Create the tables of the file `database` if it has none; the caller excludes other processes.

    MLflow creates them in dozens of steps that it cannot repeat, so they are created under another name.

    Raises:
        OSError, sqlalchemy.exc.SQLAlchemyError: the folder cannot be written.
    """
    if database.exists() and database.stat().st_size > 0:
        return
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in _unfinished(database, "*"):
        left.unlink(missing_ok=True)
    # A name never used before: MLflow caches its connections by name.
    name = uuid.uuid4().hex
    unfinished = database.with_name(f".{database.name}.{name}.new")
    try:
        root = DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH  # as MlflowClient would make it
        store: Any = SqlAlchemyStore(sqlite_uri(unfinished), root)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        unfinished.replace(database)
    finally:
        for left in _unfinished(database, name):
            left.unlink(missing_ok=True)


def refuse_half_made(database: Path, error: Exception) -> None:
    """Refuse a half-made database, which earlier versions could leave behind, with advice.

    Raises:
        OSError: it is half made.
    """
    if _holds_nothing(database):
        raise OSError(
            f"its tables were left half made by a process that was stopped, and hold no run; delete it: rm {database}"
        ) from error


def _unfinished(database: Path, name: str) -> list[Path]:
    return list(database.parent.glob(f".{database.name}.{name}.new*"))


def _holds_nothing(database: Path) -> bool:
    """Return whether the file is a database of MLflow without its first experiment, which is made last."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as connection,
    ):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "experiments" in tables:
            return bool(connection.execute("SELECT count(*) FROM experiments").fetchone() == (0,))
        return "alembic_version" in tables or "metrics" in tables
    return False
