"""Requests to stop a worker, by the user or by a scheduler."""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from hydra.core.utils import JobReturn

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.hydra_private import returned_by
from hydra_async_sweeper.signal_handlers import SAME_REQUEST_SECONDS, installed
from hydra_async_sweeper.trial import TrialPruned

log = logging.getLogger("hydra_async_sweeper")


# The second request is repeated after so many seconds: a busy worker may have taken it for a part of the first.
AGAIN_SECONDS = 0.5

# For so many seconds after the signal that stops a process, no other one does.
_LEAVING_SECONDS = 3.0


class StopRequested(KeyboardInterrupt):
    """Raised where a process leaves at a signal; a `KeyboardInterrupt` that a task raises by itself is not one of these."""


class TrialOvertime(BaseException):
    """Raised in a task that runs longer than `hydra.sweeper.trial_timeout`; it ends the attempt, not the worker."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Interruption:
    """A request to stop this process.

    The first Ctrl-C or SIGTERM requests a stop, the second stops at once. Schedulers have their own signals and handlers, which
    end the process by an exception: submitit's exits after requeuing a preempted Slurm job.

    What a process does to leave, which puts its trial back into the queue, is not stopped by the next signal: Slurm sends a job
    SIGTERM as soon as it is requeued, and may send one more than once. Only a signal that comes seconds later does.

    Attributes:
        is_requested: the process must end as soon as it can.
        raised: the exception of another library's signal handler, as opposed to a task that exits by itself.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self.raised: BaseException | None = None
        self._is_in_task = False
        self._requested_at = -math.inf
        self._deaf_until = -math.inf  # in the time of `time.monotonic`
        self._overtime: float | None = None

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
        with installed(ours):
            yield self

    @contextmanager
    def in_task(self) -> Iterator[None]:
        """Let `end_task` end what runs inside the context."""
        self._is_in_task = True
        try:
            yield
        finally:
            self._is_in_task, self._overtime = False, None

    def end_task(self, seconds: float) -> None:
        """Raise `TrialOvertime` in the task of the main thread; called in another one. It sends itself a signal of ours."""
        main = threading.main_thread().ident
        if self._is_in_task and main is not None:
            self._overtime = seconds
            signal.pthread_kill(main, signal.SIGINT)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if a stop was requested; the process then leaves, as at a second Ctrl-C."""
        if self.is_requested:
            self._leave()

    def check_returned(self, returned: JobReturn) -> None:
        """Raise what interrupted the task of a job that has returned, if anything did.

        An error after a request to stop is a consequence of it: the signal may have ended processes that the task needs.

        Raises:
            BaseException: `raised`, which Hydra has taken for the task's own.
            KeyboardInterrupt: the task failed after a request to stop.
        """
        if self.raised is not None:
            raise self.raised
        error = returned_by(returned)
        if isinstance(error, Exception) and not isinstance(error, TrialPruned | SweepError):
            self.check()

    def _leave(self) -> NoReturn:
        self._deaf_until = max(self._deaf_until, time.monotonic() + _LEAVING_SECONDS)
        raise StopRequested

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        now = time.monotonic()
        if now < self._deaf_until:
            self.is_requested = self.is_requested or self._overtime is None
            return
        if number == signal.SIGINT and self._overtime is not None:
            seconds, self._overtime = self._overtime, None
            raise TrialOvertime(seconds)
        if self.is_requested:
            if now < self._requested_at + SAME_REQUEST_SECONDS:
                return
            self._leave()
        self.is_requested, self._requested_at = True, now
        log.warning("stopping after this step; Ctrl-C again stops at once")

    def _around(self, handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        """Return `handler` with its exceptions recorded."""

        def noting(number: int, frame: FrameType | None) -> None:
            before, self._deaf_until = self._deaf_until, math.inf
            if self.raised is not None:
                return
            try:
                handler(number, frame)
            except BaseException as raised:
                self.is_requested, self.raised = True, raised
                raise
            self._deaf_until = before

        return noting
