"""Signal handlers of one process: what it forks meanwhile, such as a task's `multiprocessing.Pool`, has those of before.

A handler that only notes a request would keep `Process.terminate` from ending such a child.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

# Signals that follow the first within so many seconds are the same request: `timeout` and Slurm send two, and joblib's workers
# receive the terminal's and the one that their sweep passes on.
SAME_REQUEST_SECONDS = 0.2

_Handlers = Mapping[int, Any]

# What is installed, from the outermost context to the innermost: the handlers, and those of before.
_installed: list[tuple[_Handlers, _Handlers]] = []

# The signal mask of a thread that forks.
_forking = threading.local()


@contextmanager
def installed(handlers: _Handlers) -> Iterator[None]:
    """Handle signals by `handlers` inside the context, in this process alone; only a process's main thread can."""
    # None stands for a handler that is not Python's, which cannot be set again.
    before = {number: signal.signal(number, handler) or signal.SIG_DFL for number, handler in handlers.items()}
    entry = (handlers, before)
    _installed.append(entry)
    try:
        yield
    finally:
        if entry in _installed:  # a forked process that leaves the context has them already
            for number, handler in before.items():
                signal.signal(number, handler)
            _installed.remove(entry)


def end_without_traceback() -> None:
    """Let a `KeyboardInterrupt` end this process without Python's traceback, which would hide the last line of the log."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            before(kind, error, traceback)

    sys.excepthook = hook


def _before_fork() -> None:
    # A signal that reached the child before its handlers are restored would be lost.
    numbers = {number for handlers, _ in _installed for number in handlers}
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers) if numbers else None


def _after_fork() -> None:
    mask, _forking.mask = getattr(_forking, "mask", None), None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    while _installed:
        handlers, before = _installed.pop()
        for number, handler in handlers.items():
            if signal.getsignal(number) == handler:  # and not one that the task has set
                is_last = not any(number in others for others, _ in _installed)
                earlier = before[number]
                signal.signal(number, _after_the_first(earlier) if is_last and number == signal.SIGINT else earlier)
    _after_fork()


def _after_the_first(handler: Any) -> Callable[[int, Any], None]:
    """Return a handler that ignores the first Ctrl-C and hands the next one to `handler`.

    A terminal sends it to a task's processes as well, and the step that the first one lets the task finish needs them.
    """
    first: float | None = None

    def handle(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
        nonlocal first
        first = first or time.monotonic()
        if time.monotonic() >= first + SAME_REQUEST_SECONDS:
            signal.signal(number, handler)
            os.kill(os.getpid(), number)

    return handle


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
