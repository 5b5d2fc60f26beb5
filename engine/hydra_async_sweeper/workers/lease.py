"""Who runs a trial: a lease on it, renewed while its worker lives, so that a dead worker's trial can be continued.

A lease stands among the trial's user attributes: its owner's token, host, process and the time at which it runs out. On the
same host a dead process is noticed at once, elsewhere when the lease has run out. Optuna's own heartbeat is not recorded
under ask and tell, and exists for databases only.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.study.retry import Outage
from hydra_async_sweeper.workers.process_identity import process_start

if TYPE_CHECKING:
    import optuna

LEASE = "lease"
ATTEMPT = "attempt"


class Lease:
    """This worker's claim to one running trial; renewed by a thread of its own until `release`."""

    def __init__(self, study: "optuna.Study", trial_id: int, seconds: float) -> None:
        self._study = study
        self._trial_id = trial_id
        self._seconds = seconds
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{trial_id}", daemon=True)
        self._thread.start()

    def is_held(self) -> bool:
        """Tell whether the trial is still this worker's; reads the storage."""
        trial = self._study._storage.get_trial(self._trial_id)
        return not trial.state.is_finished() and trial.user_attrs.get(LEASE, {}).get("token") == self._token

    def release(self) -> None:
        """Stop renewing; what becomes of the trial is said by its state."""
        self._released.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._released.wait(self._seconds / 3):
            try:
                if self.is_held():
                    self._write()
            except Exception:
                continue

    def _write(self) -> None:
        lease = {
            "token": self._token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_start": process_start(os.getpid()),
            "until": time.time() + self._seconds,
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES") or None,
        }
        self._study._storage.set_trial_user_attr(self._trial_id, LEASE, lease)


def reclaim_dead(
    study: "optuna.Study",
    *,
    lease_seconds: float,
    max_retries: int,
    on_reclaimed: Callable[[int, str, str], None],
    seen: "Sequence[optuna.trial.FrozenTrial] | None" = None,
) -> bool:
    """Put the trials of dead workers back into the queue, and fail those that had their last attempt.

    A trial put back keeps its number, parameters and folder; whoever pulls it continues it.

    Args:
        study: whose running trials are looked at.
        lease_seconds: how long a worker may be silent.
        max_retries: how often a trial is begun again.
        on_reclaimed: told the number, "interrupted" or "failed", and the reason, before anybody else can pull the trial.
        seen: the study's trials, where they have just been read.

    Returns:
        whether there was one.
    """
    from optuna.trial import TrialState

    storage = study._storage
    found = False
    for trial in study.get_trials(deepcopy=False) if seen is None else seen:
        if trial.state != TrialState.RUNNING or not is_dead(trial, lease_seconds):
            continue
        found = True
        # Somebody else may have put it back, and a third have pulled it, since the list was read.
        current = storage.get_trial(trial._trial_id)
        if current.state != TrialState.RUNNING or current.user_attrs.get(LEASE) != trial.user_attrs.get(LEASE):
            continue
        attempt = int(trial.user_attrs.get(ATTEMPT, 0)) + 1
        try:
            if attempt > max_retries:
                reason = f"its worker died {attempt} times (hydra.sweeper.max_retries={max_retries})"
                storage.set_trial_user_attr(trial._trial_id, "reason", reason)
                storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                on_reclaimed(trial.number, "failed", reason)
            else:
                storage.set_trial_user_attr(trial._trial_id, ATTEMPT, attempt)
                on_reclaimed(trial.number, "interrupted", "its worker died")
                storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        except RuntimeError:  # optuna's UpdateFinishedTrialError: it has ended meanwhile
            continue
    return found


def is_dead(trial: "optuna.trial.FrozenTrial", lease_seconds: float) -> bool:
    """Tell whether the worker of a running trial is known to be dead, or was silent for too long."""
    lease: dict[str, Any] | None = trial.user_attrs.get(LEASE)
    if lease is None:  # between being asked for and being leased, which takes a moment
        started = trial.datetime_start
        return started is not None and time.time() - started.timestamp() > lease_seconds
    if lease["host"] == socket.gethostname() and process_start(lease["pid"]) != lease["process_start"]:
        return True
    if time.time() - Outage.ended < lease_seconds:  # nobody could renew a lease while the storage was away
        return False
    return time.time() > float(lease["until"])
