"""A lock on a study, for processes whose hosts may share its storage and nothing else.

The lock is an empty study beside the real one, because study names are unique in every storage: of several processes that
create it at the same moment one succeeds. A lock that no longer changes belongs to a dead process.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")

_SUFFIX = " (locked)"
_HOLDER = "holder"

# A lock unchanged over so many looks is a dead process's: looks, not seconds, as the storage may have been unavailable.
_PAUSE_SECONDS = 0.1
_LOOKS = 200
# After so many the wait is logged.
_LOOKS_IN_SILENCE = 20


@contextmanager
def exclusive(storage: "optuna.storages.BaseStorage", name: str) -> Iterator[Callable[[], None]]:
    """Hold the lock of the study `name`, which need not exist, and release it at the end.

    Yields:
        a function that work of more than some seconds must call repeatedly, to show that its process is alive.
    """
    token = uuid.uuid4().hex
    study_id = _acquire(storage, f"{name}{_SUFFIX}")

    def renew() -> None:
        storage.set_study_user_attr(study_id, _HOLDER, f"{token} {time.time()}")

    renew()
    try:
        yield renew
    finally:
        seen = _seen(storage, f"{name}{_SUFFIX}")
        if seen is not None and seen[0] == study_id and (seen[1] or "").startswith(token):
            storage.delete_study(study_id)


def is_lock(study_name: str) -> bool:
    """Return whether a storage's study is such a lock."""
    return study_name.endswith(_SUFFIX)


def _acquire(storage: "optuna.storages.BaseStorage", lock: str) -> int:
    from optuna.exceptions import DuplicatedStudyError
    from optuna.study import StudyDirection

    seen, looks = None, 0
    while True:
        try:
            return storage.create_new_study([StudyDirection.MINIMIZE], lock)
        except DuplicatedStudyError:
            before, seen = seen, _seen(storage, lock)
            looks = looks + 1 if seen == before else 0
            if looks == _LOOKS_IN_SILENCE:
                log.info("waiting for another process that has locked the study, for 20 s if that is gone")
            if seen is not None and looks > _LOOKS:
                log.warning("the study was locked by a process that is gone; releasing it")
                _delete(storage, seen[0])
            time.sleep(random.uniform(0.5, 1.5) * _PAUSE_SECONDS)


def _seen(storage: "optuna.storages.BaseStorage", lock: str) -> tuple[int, str | None] | None:
    """Return the lock's id and its holder's last mark, or None if nobody holds it."""
    try:
        study_id = storage.get_study_id_from_name(lock)
        return study_id, storage.get_study_user_attrs(study_id).get(_HOLDER)
    except KeyError:
        return None


def _delete(storage: "optuna.storages.BaseStorage", study_id: int) -> None:
    try:
        storage.delete_study(study_id)
    except KeyError:  # another waiting process was faster
        return
