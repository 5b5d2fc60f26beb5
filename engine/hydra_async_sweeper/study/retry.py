"""Wait for what is temporarily unavailable: the study's storage, or space on the disk."""

import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger("hydra_async_sweeper")

PATIENCE_SECONDS = 600.0

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
# A call that takes this long to fail is more than a stale connection.
_LONG_SECONDS = 1.0

Result = TypeVar("Result")


class Outage:
    """When the storage of this process last came back, by `time.monotonic`; 0 if it was never unavailable."""

    ended = 0.0


class _Away:
    """What is unavailable, and since when; only the first thread to notice an outage, or its end, logs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}

    def begin(self, what: str, since: float, reason: str) -> None:
        with self._lock:
            is_known = what in self._since
            self._since.setdefault(what, since)
        if not is_known:
            log.warning("%s does not answer (%s); waiting for it", what, reason)

    def end(self, what: str) -> None:
        with self._lock:
            since = self._since.pop(what, None)
        if since is not None:
            log.warning("%s is back after %.0f s", what, time.monotonic() - since)


_away = _Away()


def is_full_disk(error: BaseException) -> bool:
    """Return whether `error` means a full disk or an exhausted quota."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def os_reason(error: BaseException) -> str:
    """Return the operating system's words for `error`, or what kind of error it is."""
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__


def wait_out(
    call: Callable[[], Result],
    is_passing: Callable[[BaseException], bool],
    what: str,
    reason_of: Callable[[BaseException], str] = os_reason,
) -> Result:
    """Return what `call` returns, repeating it on temporary errors for up to `PATIENCE_SECONDS`.

    A failure that is over at once, such as the first use of a connection that broke meanwhile, is not worth a warning; nor is
    the late failure of a call that began during an outage that has ended since.

    Args:
        call: may be made again after it has raised.
        is_passing: returns whether an error may be temporary.
        what: the subject of the warnings, such as "the study's storage".
        reason_of: returns in a few words why the call failed.

    Raises:
        Exception: any other error at once; a temporary one when patience is over.
    """
    began, pause = None, _FIRST_PAUSE
    while True:
        started = time.monotonic()
        try:
            result = call()
        except Exception as error:
            now = time.monotonic()
            if not is_passing(error) or (began is not None and now - began > PATIENCE_SECONDS):
                raise
            if started < Outage.ended:
                began = None
            else:
                if began is not None or now - started > _LONG_SECONDS:
                    _away.begin(what, started if began is None else began, reason_of(error))
                began = started if began is None else began
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        if began is not None:
            Outage.ended = time.monotonic()
            _away.end(what)
        return result
