"""How a sweep waits where something it stands on is away for a while: the study's storage, or room on the disk."""

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger("hydra_async_sweeper")

PATIENCE_SECONDS = 600.0

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

Result = TypeVar("Result")


class Outage:
    """When the storage of this process last came back, by `time.monotonic`; 0 where it was never away."""

    ended = 0.0


def is_full_disk(error: BaseException) -> bool:
    """Tell whether `error` says that there is no room, on the disk or in the user's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def wait_out(call: Callable[[], Result], is_passing: Callable[[BaseException], bool], what: str) -> Result:
    """Return what `call` returns, repeating it while it raises what passes, for up to `PATIENCE_SECONDS`.

    Args:
        call: may be made again after it has raised.
        is_passing: tells which errors may be gone in a moment.
        what: the subject of the warnings, such as "the study's storage".

    Raises:
        Exception: another error at once; a passing one when patience is over.
    """
    began, pause = None, _FIRST_PAUSE
    while True:
        try:
            result = call()
        except Exception as error:
            now = time.monotonic()
            if not is_passing(error) or (began is not None and now - began > PATIENCE_SECONDS):
                raise
            if began is None:
                began = now
                reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
                log.warning("%s does not answer (%s); waiting for it", what, reason)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        if began is not None:
            Outage.ended = time.monotonic()
            log.warning("%s is back after %.0f s", what, time.monotonic() - began)
        return result
