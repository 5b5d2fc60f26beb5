"""Requests to stop a worker, by the user or by a scheduler."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

log = logging.getLogger("hydra_async_sweeper")


class Interruption:
    """A request to stop this process.

    The first Ctrl-C or SIGTERM requests a stop, the second stops at once. Schedulers have their own signals and handlers, which
    end the process by an exception: submitit's exits after requeuing a preempted Slurm job.

    Attributes:
        is_asked_for: the process must end as soon as it can.
        raised: the exception of another library's signal handler, as opposed to a task that exits by itself.
    """

    def __init__(self) -> None:
        self.is_asked_for = False
        self.raised: BaseException | None = None

    @contextmanager
    def watched(self) -> Iterator["Interruption"]:
        """Listen to signals inside the context; only a process's main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        ours: dict[int, Any] = {int(number): self._on_signal for number in (signal.SIGINT, signal.SIGTERM)}
        for number in set(map(int, signal.valid_signals())) - ours.keys():
            handler = signal.getsignal(number)
            if callable(handler):
                ours[number] = self._around(handler)
        before = {number: signal.signal(number, handler) for number, handler in ours.items()}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self.is_asked_for:
            raise KeyboardInterrupt
        self.is_asked_for = True
        log.warning("stopping after this step; Ctrl-C again stops at once")

    def _around(self, handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        """Return `handler` with its exceptions recorded."""

        def noting(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as raised:
                self.is_asked_for, self.raised = True, raised
                raise

        return noting
