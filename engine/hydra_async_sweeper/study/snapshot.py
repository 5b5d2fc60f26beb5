"""A snapshot beside a long journal: what its first lines give, so that it is not read from its start by every process.

Optuna's own snapshots (5.0) exist for Redis alone, and write all trials again after every hundred. This one is written by a
process that has opened the journal and read many lines beyond the last snapshot. It holds for exactly the bytes that its
digest names; damage to one of them shows as before, since the journal is then read from its start. A snapshot is pickled, and
nothing but Optuna's records is unpickled from it.
"""

import gc
import hashlib
import json
import os
import pickle
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import optuna

# A process that has read so many lines beyond the snapshot writes a new one: about a thousand trials.
LINES = 20_000

# What a snapshot may consist of, besides plain values.
_RECORDS = {
    ("optuna.storages.journal._storage", "JournalStorageReplayResult"),
    ("optuna.study._frozen", "FrozenStudy"),
    ("optuna.study._study_direction", "StudyDirection"),
    ("optuna.trial._frozen", "FrozenTrial"),
    ("optuna.trial._state", "TrialState"),
    ("optuna.distributions", "FloatDistribution"),
    ("optuna.distributions", "IntDistribution"),
    ("optuna.distributions", "CategoricalDistribution"),
    ("datetime", "datetime"),
}


@dataclass(frozen=True)
class Snapshot:
    """What a journal's first lines give.

    Attributes:
        num_lines: how many lines.
        num_bytes: how many bytes they are.
        records: Optuna's.
    """

    num_lines: int
    num_bytes: int
    records: Any


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _RECORDS:
            raise pickle.UnpicklingError(f"{module}.{name} is no record of Optuna's")
        return super().find_class(module, name)


def load(journal: Path) -> Snapshot | None:
    """Return the snapshot of `journal`; None without one that holds for this journal and this release of Optuna."""
    try:
        with _file(journal).open("rb") as file:
            head = json.loads(file.readline())
            if head["optuna"] == optuna.__version__ and head["digest"] == _digest(journal, head["bytes"]):
                return Snapshot(head["lines"], head["bytes"], _unpickled(file))
    except Exception:  # whatever is wrong with it, the journal has everything
        return None
    return None


def save(journal: Path, snapshot: Snapshot) -> None:
    """Write the snapshot of `journal`, unless its folder cannot be written."""
    file = _file(journal)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    head = {
        "optuna": optuna.__version__,
        "lines": snapshot.num_lines,
        "bytes": snapshot.num_bytes,
        "digest": _digest(journal, snapshot.num_bytes),
    }
    with suppress(OSError):
        part.write_bytes(json.dumps(head).encode() + b"\n" + pickle.dumps(snapshot.records, protocol=5))
        part.replace(file)
    with suppress(OSError):
        part.unlink(missing_ok=True)


def _unpickled(file: IO[bytes]) -> Any:
    """Return the records in `file`; the garbage collector would look through all of them many times meanwhile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _Unpickler(file).load()
    finally:
        if was_enabled:
            gc.enable()


def _digest(journal: Path, num_bytes: int) -> str:
    """Return the digest of the journal's first bytes; empty if there are fewer."""
    left, digest = num_bytes, hashlib.sha256()
    with journal.open("rb") as file:
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return "" if left else digest.hexdigest()


def _file(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.snapshot")
