"""Ctrl-C where joblib's processes are the workers: they leave as those of the local launcher do.

joblib by itself kills its processes at the first Ctrl-C, and at the first error of one of them, with trials in their hands.
"""

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import psutil
from omegaconf import DictConfig

from hydra_async_sweeper.signal_handlers import SAME_REQUEST_SECONDS, installed
from hydra_async_sweeper.workers.interruption import AGAIN_SECONDS
from hydra_async_sweeper.workers.worker import Worker

# How long the workers may take to leave at the second Ctrl-C.
_LEAVING_SECONDS = 3.0

# How the names of joblib's processes begin, which stand in their command lines.
_PROCESS = "LokyProcess"

# What a worker returns then.
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Returning:
    """A worker that returns where it is interrupted, so that joblib lets the others finish their steps."""

    worker: Worker

    def __call__(self, config: DictConfig) -> str:
        """Return why there are no more trials to run, or that there may be."""
        try:
            return self.worker(config)
        except KeyboardInterrupt:
            if multiprocessing.current_process().name.startswith(_PROCESS):
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # if it died of another one, joblib would kill the others
            return INTERRUPTED


@contextmanager
def interruptible() -> Iterator[None]:
    """Pass Ctrl-C and SIGTERM on to the workers inside the context.

    The first lets them finish their steps. The second stops them at once and, after some seconds, kills the ones left.
    The third does not wait.

    Raises:
        KeyboardInterrupt: the user stopped.
    """
    requests: list[float] = []
    is_over = threading.Event()

    def stop(workers: list[psutil.Process]) -> None:
        deadline = time.monotonic() + _LEAVING_SECONDS
        while not is_over.is_set():
            _send(workers, signal.SIGINT if time.monotonic() < deadline else signal.SIGKILL)
            is_over.wait(AGAIN_SECONDS)

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        now = time.monotonic()
        if requests and now < requests[-1] + SAME_REQUEST_SECONDS:
            return
        requests.append(now)
        workers = _workers()
        if len(requests) > 2 or not workers:
            raise KeyboardInterrupt
        if len(requests) == 1:
            _send(workers, signal.SIGINT)  # a terminal has done so, too
        else:
            threading.Thread(target=stop, args=[workers], name="worker-end", daemon=True).start()

    try:
        with installed(dict.fromkeys((signal.SIGINT, signal.SIGTERM), on_signal)):
            yield
    except Exception as error:  # joblib's, of a process that was killed
        if requests:
            raise KeyboardInterrupt from error
        raise
    finally:
        is_over.set()
    if requests:
        raise KeyboardInterrupt


def _workers() -> list[psutil.Process]:
    """Return joblib's processes of this one; its trackers of resources are others."""
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if any(word.startswith(_PROCESS) for word in process.cmdline()):
                found.append(process)
    return found


def _send(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
