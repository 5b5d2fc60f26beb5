"""Storages that wait where the server behind them is away for a while: restarted, or out of reach.

Every call is repeated until it succeeds or patience is over (`outage`). A call that had its effect before the connection broke
may so be made twice: a trial begun twice leaves one that nobody runs, which is put back into the queue when its lease has run
out; all other calls may be repeated.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import optuna
from sqlalchemy.exc import InterfaceError, OperationalError

from densenet_sweep.sweep.outage import wait_out

# What Optuna's cache before a database calls besides the interface (5.0).
_CALLED_BY_THE_CACHE = ("_create_new_trial", "_get_trials", "_set_trial_param", "get_trial_id_from_study_id_trial_number")

Storage = TypeVar("Storage", bound=optuna.storages.BaseStorage)


def _is_passing(error: BaseException | None) -> bool:
    """Tell whether the server may be back in a moment; Optuna wraps a failed commit in an error of its own."""
    if isinstance(error, OperationalError | InterfaceError):
        return "no such table" not in str(error)
    if isinstance(error, optuna.exceptions.StorageInternalError):
        return _is_passing(error.__cause__)
    code = getattr(error, "code", None)
    return callable(code) and getattr(code(), "name", "") in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def _patiently(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
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
    """A database; a connection that went stale is replaced before it is used."""

    def __init__(self, url: str) -> None:
        super().__init__(url, engine_kwargs={"pool_pre_ping": True})


@_patient
class PatientProxy(optuna.storages.GrpcStorageProxy):
    """Optuna's gRPC proxy, which many workers use instead of a connection each."""
