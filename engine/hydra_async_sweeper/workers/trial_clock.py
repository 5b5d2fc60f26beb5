"""When a worker began its present trial, in a file that its launcher reads, since a process that hangs cannot say so itself."""

import functools
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger("hydra_async_sweeper")

# Names the file, to a worker whose launcher ends what takes too long.
VARIABLE = "HYDRA_ASYNC_SWEEPER_TRIAL_CLOCK"


@contextmanager
def running() -> Iterator[None]:
    """Keep the file while a trial runs inside the context."""
    path = os.environ.get(VARIABLE)
    if path is None:
        yield
        return
    file = Path(path)
    with _only_a_warning():
        written = file.with_suffix(".part")  # so that nobody reads half of it
        written.write_text(repr(time.monotonic()))
        written.replace(file)
    try:
        yield
    finally:
        with _only_a_warning():
            file.unlink(missing_ok=True)


@contextmanager
def _only_a_warning() -> Iterator[None]:
    """Log the first failure of this file: no trial fails because a disk for temporary files is full or was cleaned."""
    try:
        yield
    except OSError as error:
        _warn(f"{type(error).__name__}: {error}")


@functools.cache
def _warn(error: str) -> None:
    log.warning("%s; hydra.sweeper.trial_timeout may not end a trial that hangs", error)


def seconds_running(file: Path) -> float | None:
    """Return for how many seconds the present trial of a worker on this machine has run, or None if there is none."""
    with suppress(OSError, ValueError):
        return time.monotonic() - float(file.read_text())
    return None
