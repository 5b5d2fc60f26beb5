"""Whether a worker was asked to stop."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger("hydra_async_sweeper")


class Interruption:
    """Whether the user asked this process to stop: the first Ctrl-C or SIGTERM asks, the second stops at once."""

    def __init__(self) -> None:
        self.is_asked_for = False

    @contextmanager
    def watched(self) -> Iterator["Interruption"]:
        """Listen to signals inside the context; only a process's main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self.is_asked_for:
            raise KeyboardInterrupt
        self.is_asked_for = True
        log.warning("stopping after this epoch; Ctrl-C again stops at once")
