"""Log trials that end, and end the sweep, while third-party launchers run the workers elsewhere.

A worker on another machine prints into a file there. And a launcher may keep waiting for a queued job when nothing is left
to do.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.signal_handlers import installed
from hydra_async_sweeper.study.budget import Budget
from hydra_async_sweeper.workers import trial_log
from hydra_async_sweeper.workers.lease import Silence, is_dead

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")

_POLL_SECONDS = 1.0

# How long a launcher may take to return after the last trial has ended.
_GRACE_SECONDS = 30.0

# How long the last check may take.
_END_SECONDS = 5.0


class SweepEnded(BaseException):
    """Raised in the main thread if a launcher still waits although the study has ended."""


@contextmanager
def watched(
    open_study: Callable[[], "optuna.Study"], budget: Budget, *, started: float, lease_seconds: float, sweep_dir: Path
) -> Iterator[None]:
    """Log each trial that ends inside the context, and leave the context when all have ended.

    Args:
        open_study: called in another thread, and again after a failure.
        budget: says when the study has ended.
        started: when the sweep began, by `time.time`.
        lease_seconds: how long a worker may be silent.
        sweep_dir: the sweep's folder.

    Raises:
        SweepEnded: with the reason, if the context did not end by itself.
    """
    over = threading.Event()
    reasons: list[str] = []

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        if not over.is_set():
            raise SweepEnded(reasons[-1])

    def watch() -> None:
        study: optuna.Study | None = None
        announced: set[int] | None = None
        ended_at: float | None = None
        is_last = False
        silence = Silence()
        pause = 0.0
        while not is_last:
            is_last, pause = over.wait(pause), _POLL_SECONDS
            try:
                study = study or open_study()
                trials = study.get_trials(deepcopy=False)
                announced = _announce(study, trials, announced, sweep_dir)
                reason = budget.reason_to_stop(study, started)
                running = [trial for trial in trials if trial.state.name == "RUNNING"]
                dead = [trial for trial in running if is_dead(trial, lease_seconds, silence)]
            except Exception:  # the storage is unavailable; the workers wait for it too
                study = None
                continue
            if reason is None or len(dead) < len(running):
                ended_at = None
            elif ended_at is None:
                ended_at = time.monotonic()
            elif time.monotonic() - ended_at > _GRACE_SECONDS and not is_last:
                reasons.append(reason)
                signal.pthread_kill(main.ident, signal.SIGUSR1)
                return

    main: Any = threading.main_thread()
    thread = threading.Thread(target=watch, name="sweep-watch", daemon=True)
    with installed({signal.SIGUSR1: leave}):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_END_SECONDS)


def _announce(
    study: "optuna.Study", trials: "list[optuna.trial.FrozenTrial]", announced: set[int] | None, sweep_dir: Path
) -> set[int]:
    """Log a line for each trial that has ended since the last check, and return the numbers of all ended trials."""
    ended = [trial for trial in trials if trial.state.is_finished()]
    if announced is not None:
        for trial in ended:
            if trial.number not in announced:
                trial_log.end(study, trial, sweep_dir)
    return {trial.number for trial in ended}
