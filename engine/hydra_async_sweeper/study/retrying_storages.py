"""Storages that wait while the server behind them is unavailable: restarting, or out of reach.

Every call has a timeout: a network that was cut gives no sign.

Every call is repeated until it succeeds or patience is over (`retry`). So a call that took effect before the connection broke
may run twice: a trial begun twice leaves one that nobody runs, which is requeued when its lease expires; all other calls may
be repeated.
"""

import functools
import json
import re
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import optuna
import sqlalchemy
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.optuna_private import CALLED_BY_THE_CACHE, limit_calls, trial_tables
from hydra_async_sweeper.study.passwords import redacted
from hydra_async_sweeper.study.retry import wait_out
from hydra_async_sweeper.study.storage import WAYS_ON
from hydra_async_sweeper.trial import LEASE
from hydra_async_sweeper.workers.claim import is_due

# How long a command waits for another that writes to the same file.
_SQLITE_SECONDS = 20.0

# When a network is cut silently, the connection ends after these seconds, instead of hours.
_POSTGRES_CONNECTION = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 8000,  # milliseconds
}
# The server ends statements that wait for a lock, and the transaction of a disconnected host, whose locks block all others.
_POSTGRES_SESSION = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '20s'"

# Where a user may not write: psycopg's names of errors, and the texts of SQLite and MySQL.
_READ_ONLY = "InsufficientPrivilege|ReadOnlySqlTransaction|readonly database|command denied"

# The first timeout of a call to the proxy; it doubles for a call that is repeated because of it.
_CALL_SECONDS = 8.0

Storage = TypeVar("Storage", bound=optuna.storages.BaseStorage)


def is_passing(error: BaseException | None) -> bool:
    """Return whether the error may be temporary; Optuna wraps a failed commit in an error of its own."""
    if isinstance(error, OperationalError | InterfaceError):
        if isinstance(error.orig, sqlite3.Error):
            return re.search("locked|busy|full", str(error.orig)) is not None
        return True
    if isinstance(error, DatabaseError) and error.connection_invalidated:
        return True
    if isinstance(error, optuna.exceptions.StorageInternalError):
        return is_passing(error.__cause__)
    code = getattr(error, "code", None)
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def reason(error: BaseException) -> str:
    """Return in a few words why a call failed, without the address, which may hold a password."""
    if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        return reason(error.__cause__)
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if callable(code) and callable(details):  # gRPC's
        in_time = getattr(code(), "name", "") != "DEADLINE_EXCEEDED"
        return str(details()).rpartition(": ")[2] if in_time else "no answer in time"
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    first = (said.strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^(FATAL|ERROR):\s*", "", first.rpartition("failed: ")[2])


@contextmanager
def _named_damage(url: str | None) -> Iterator[None]:
    """Name the file where the SQLite database at `url` is damaged, and a database that this user may not write."""
    try:
        yield
    except (DatabaseError, optuna.exceptions.StorageInternalError) as error:
        said = f"{error} {error.__cause__}"
        damage = re.search("file is not a database|database disk image is malformed", said)
        if url is not None and damage is not None:
            raise SweepError(f"{sqlalchemy.make_url(url).database}: is damaged ({damage[0]}); {WAYS_ON}") from error
        if url is not None and re.search(_READ_ONLY, said):
            raise SweepError(f"hydra.sweeper.storage={redacted(url)}: cannot be written ({reason(error)})") from error
        raise


def _patiently(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with _named_damage(getattr(arguments[0], "url", None)):
            return wait_out(lambda: method(*arguments, **named), is_passing, "the study's storage", reason)

    return call


def _patient(storage: type[Storage]) -> type[Storage]:
    """Make every method of the class's interface patient."""
    for name in (*optuna.storages.BaseStorage.__abstractmethods__, *CALLED_BY_THE_CACHE):
        if hasattr(storage, name):
            setattr(storage, name, _patiently(getattr(storage, name)))
    return storage


@_patient
class PatientDatabase(optuna.storages.RDBStorage):
    """A database whose stale connections are replaced before use.

    A SQLite file is locked before a transaction reads, not when it first writes: Optuna (5.0) reads a waiting trial and then
    sets it running, so two workers that read it at the same moment would both get it.
    """

    def __init__(self, url: str) -> None:
        try:
            with _named_damage(url):
                super().__init__(url, engine_kwargs={"pool_pre_ping": True, "connect_args": _limits(url)})
        except BaseException:
            if hasattr(self, "engine"):  # its connections would stay open until they are collected
                self.scoped_session.remove()
                self.engine.dispose()
            raise
        _prepare(self)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Reopen the database when this object is unpickled in another process."""
        super().__setstate__(state)
        _prepare(self)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set the attribute; a lease only if it `is_due`, in one step."""
        if key == LEASE:
            self._set_lease(trial_id, value)
        else:
            super().set_trial_user_attr(trial_id, key, value)

    def _set_lease(self, trial_id: int, lease: Mapping[str, Any]) -> None:
        """Write the row only if unchanged since it was read: one statement is atomic, and a key has one row per trial."""
        trials, row = trial_tables()
        is_the_row = (row.trial_id == trial_id, row.key == LEASE)
        with suppress(IntegrityError), self.engine.begin() as connection:  # somebody else's first lease was first
            state: Any = connection.scalar(select(trials.state).where(trials.trial_id == trial_id))
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


def _limits(url: str) -> dict[str, Any]:
    """Return the timeouts of a connection to `url`, except those that the URL sets itself."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return {"timeout": _SQLITE_SECONDS} if "timeout" not in parsed.query else {}
    if parsed.get_backend_name() == "postgresql" and parsed.get_driver_name().startswith("psycopg"):
        return {key: value for key, value in _POSTGRES_CONNECTION.items() if key not in parsed.query}
    return {}


def _prepare(storage: PatientDatabase) -> None:
    """Set up the connections that are opened from now on, and close the others; those of a storage end with it."""
    engine = storage.engine
    weakref.finalize(storage, engine.dispose).atexit = False
    if engine.dialect.name == "sqlite":
        _lock_before_reading(engine)
    elif engine.dialect.name == "postgresql" and engine.dialect.driver.startswith("psycopg"):
        sqlalchemy.event.listen(engine, "connect", _limit_session)
    engine.dispose()


def _limit_session(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES_SESSION)
    connection.commit()


def _lock_before_reading(engine: sqlalchemy.Engine) -> None:
    """Begin each transaction with `BEGIN IMMEDIATE`, as SQLAlchemy's page on SQLite describes it."""

    def leave_transactions_to_sqlalchemy(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sqlalchemy.event.listen(engine, "connect", leave_transactions_to_sqlalchemy)
    sqlalchemy.event.listen(engine, "begin", begin)


@_patient
class PatientProxy(optuna.storages.GrpcStorageProxy):
    """Optuna's gRPC proxy, which many workers use instead of a connection each."""

    def _setup(self) -> None:
        """Set a timeout on each call; Optuna (5.0) has no option for it, and waits forever for a host that has gone."""
        super()._setup()
        limit_calls(self, _CallLimit().applied_to)


class _CallLimit:
    """The timeout of a call: doubled after each one that expired, until a call is answered."""

    def __init__(self) -> None:
        self._seconds = _CALL_SECONDS

    def applied_to(self, call: Callable[..., Any]) -> Callable[[Any], Any]:
        def limited(request: Any) -> Any:
            try:
                reply = call(request, timeout=self._seconds)
            except Exception as error:
                code = getattr(error, "code", None)
                if callable(code) and code().name == "DEADLINE_EXCEEDED":
                    self._seconds *= 2
                raise
            self._seconds = _CALL_SECONDS
            return reply

        return limited
