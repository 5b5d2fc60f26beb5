"""The rule by which one lease on a trial replaces another; our storages apply it atomically.

Optuna's storages set attributes unconditionally, and let any process requeue a running trial. So only the lease defines the
owner of a trial, and a lease names the one that it `replaces`: our storages check `is_due` and write in one step. The condition
is part of the value, so it passes through Optuna's gRPC proxy to the storage behind it (`hydra_async_sweeper.serve`); if that
is a storage of Optuna's own, the last writer wins.
"""

from collections.abc import Mapping
from typing import Any


def mark(lease: Mapping[str, Any] | None) -> list[Any] | None:
    """Return the `replaces` entry of a lease that replaces this one: its token and how often it was written."""
    return None if lease is None else [lease.get("token"), lease.get("beat")]


def is_due(current: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Return whether `new` may overwrite `current`: it has the same owner, or replaces exactly this lease."""
    if current is not None and current.get("token") == new.get("token"):
        return True  # also a call repeated because its answer was lost
    return "replaces" not in new or mark(current) == new["replaces"]
