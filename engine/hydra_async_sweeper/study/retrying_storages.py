"""Storages that wait where the server behind them is away for a while: restarted, or out of reach.

Every call is repeated until it succeeds or patience is over (`outage`). A call that had its effect before the connection broke
may so be made twice: a trial begun twice leaves one that nobody runs, which is put back into the queue when its lease has run
out; all other calls may be repeated.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import optuna
import sqlalchemy
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError, InterfaceError, OperationalError

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.optuna_private import TrialModel, TrialUserAttributeModel
from hydra_async_sweeper.study.retry import wait_out
from hydra_async_sweeper.study.storage import WAYS_ON
from hydra_async_sweeper.workers.claim import LEASE, is_due

# What Optuna's cache before a database calls besides the interface (5.0).
_CALLED_BY_THE_CACHE = ("_create_new_trial", "_get_trials", "_set_trial_param", "get_trial_id_from_study_id_trial_number")

# How long a command waits for another that writes to the same file.
_SQLITE_SECONDS = 20.0

Storage = TypeVar("Storage", bound=optuna.storages.BaseStorage)


def _is_passing(error: BaseException | None) -> bool:
    """Tell whether the server may be back in a moment; Optuna wraps a failed commit in an error of its own."""
    if isinstance(error, OperationalError | InterfaceError):
        return "no such table" not in str(error)
    if isinstance(error, optuna.exceptions.StorageInternalError):
        return _is_passing(error.__cause__)
    code = getattr(error, "code", None)
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


@contextmanager
def _named_damage(url: str | None) -> Iterator[None]:
    """Name the file where the SQLite database at `url` is damaged."""
    try:
        yield
    except (DatabaseError, optuna.exceptions.StorageInternalError) as error:
        damage = re.search("file is not a database|database disk image is malformed", f"{error} {error.__cause__}")
        if damage is None or url is None:
            raise
        raise SweepError(f"{sqlalchemy.make_url(url).database}: is damaged ({damage[0]}); {WAYS_ON}") from error


def _patiently(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with _named_damage(getattr(arguments[0], "url", None)):
            return wait_out(lambda: method(*arguments, **named), _is_passing, "the study's storage")

    return call


def _patient(storage: type[Storage]) -> type[Storage]:
    """Make every call of the class's interface patient."""
    for name in (*optuna.storages.BaseStorage.__abstractmethods__, *_CALLED_BY_THE_CACHE):
        if hasattr(storage, name):
            setattr(storage, name, _patiently(getattr(storage, name)))
    return storage


@_patient
class PatientDatabase(optuna.storages.RDBStorage):
    """A database; a connection that went stale is replaced before it is used.

    A file of SQLite is locked before a transaction reads, not when it first writes: Optuna (5.0) reads a waiting trial and then
    sets it running, and of two workers that read it at the same moment both would get it.
    """

    def __init__(self, url: str) -> None:
        is_file = url.startswith("sqlite")
        connect = {"connect_args": {"timeout": _SQLITE_SECONDS}} if is_file else {}
        try:
            with _named_damage(url):
                super().__init__(url, engine_kwargs={"pool_pre_ping": True, **connect})
        except BaseException:
            if hasattr(self, "engine"):  # its connections would stay open until they are collected
                self.scoped_session.remove()
                self.engine.dispose()
            raise
        if is_file:
            _lock_before_reading(self.engine)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Open the database anew, where this object arrives in another process."""
        super().__setstate__(state)
        if self.engine.dialect.name == "sqlite":
            _lock_before_reading(self.engine)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set the attribute; a lease only where it `is_due`, which nobody can change meanwhile."""
        if key == LEASE:
            self._set_lease(trial_id, value)
        else:
            super().set_trial_user_attr(trial_id, key, value)

    def _set_lease(self, trial_id: int, lease: Mapping[str, Any]) -> None:
        """Write the row only as it was read: one statement is one step in every database, and a key has one row a trial."""
        row = TrialUserAttributeModel
        is_the_row = (row.trial_id == trial_id, row.key == LEASE)
        with suppress(IntegrityError), self.engine.begin() as connection:  # somebody else's first lease was first
            state: Any = connection.scalar(select(TrialModel.state).where(TrialModel.trial_id == trial_id))
            self.check_trial_is_updatable(trial_id, state)
            stored = connection.scalar(select(row.value_json).where(*is_the_row))
            if not is_due(None if stored is None else json.loads(stored), lease):
                return
            if stored is not None:
                connection.execute(
                    update(row).where(*is_the_row, row.value_json == stored).values(value_json=json.dumps(lease))
                )
            else:
                connection.execute(insert(row).values(trial_id=trial_id, key=LEASE, value_json=json.dumps(lease)))


def _lock_before_reading(engine: sqlalchemy.Engine) -> None:
    """Begin each transaction with `BEGIN IMMEDIATE`, as SQLAlchemy's page on SQLite describes it."""

    def leave_transactions_to_sqlalchemy(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections that were opened before
    sqlalchemy.event.listen(engine, "connect", leave_transactions_to_sqlalchemy)
    sqlalchemy.event.listen(engine, "begin", begin)


@_patient
class PatientProxy(optuna.storages.GrpcStorageProxy):
    """Optuna's gRPC proxy, which many workers use instead of a connection each."""
