"""The one rule by which a lease on a trial replaces another, which every storage applies in one step.

Optuna's storages set attributes unconditionally, and put a running trial back into the queue for whoever asks. So the owner of
a trial is whoever stands in its lease, and a lease names the one that it `replaces`: ours apply `is_due` and the change under
one lock, or not at all. The condition travels in the value, and so through Optuna's gRPC proxy to the storage behind it
(`densenet-sweep serve`); a proxy before a storage of Optuna's own lets the last one win.
"""

from collections.abc import Mapping
from typing import Any

LEASE = "lease"


def mark(lease: Mapping[str, Any] | None) -> list[Any] | None:
    """Return what a later lease names as the one that it replaces: its token and how often it was written."""
    return None if lease is None else [lease.get("token"), lease.get("beat")]


def is_due(current: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Tell whether `new` may be written over `current`: by the same owner, or over the very lease that was judged."""
    if current is not None and current.get("token") == new.get("token"):
        return True  # also a call that is repeated because its answer was lost
    return "replaces" not in new or mark(current) == new["replaces"]
