"""The lease on a trial: its worker renews it, so that a dead worker's trial can be continued.

A lease is a user attribute of the trial: its owner's token, machine and process, how often it was written, and how many
attempts at the trial have ended in a death. A worker takes a trial by replacing the lease that it saw, in one step of the
storage (`claim`): of any number of workers one succeeds, and one death counts once. Optuna's own state is not enough: any
process may requeue a running trial, however late. So a queued trial belongs to its lease's owner until that one has released
it, and an owner whose trial was requeued by mistake takes it out again.

On the same machine a dead process is noticed at once; elsewhere, when its lease has not changed for too long by the reader's
own clock. Optuna's own heartbeat is not recorded under ask and tell, and exists for databases only.
"""

import datetime
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.optuna_private import id_of, storage_of
from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.study.retry import Outage
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.trial import ATTEMPT, LEASE, REASON
from hydra_async_sweeper.workers.claim import mark
from hydra_async_sweeper.workers.process_identity import is_gone, machine, process_start

if TYPE_CHECKING:
    import optuna

# What the owner does: run the trial, requeue it after another worker's death, or nothing any more. A lease of an older version
# has no phase, and counts as running.
_RUNNING, _RECLAIMING, _RELEASED = "running", "reclaiming", "released"


# In a lease: the seconds for which its trial might run, and which are over.
_OVERTIME = "overtime"

# In the lease of a worker that runs the trial: when it began and when it last wrote the lease, in its host's local time, as
# Optuna stores times; and the attempts before, the last of many. They are for people: nobody decides by them.
BEGAN, RENEWED, EARLIER, DIED = "began", "renewed", "earlier", "died"
_OF_AN_ATTEMPT = ("host", "pid", "process_start", "gpu", BEGAN, RENEWED, DIED)
_MOST_EARLIER = 20
# In a lease: how many steps of the trial are done, the present one in part.
DONE = "done"


@dataclass(frozen=True)
class Limit:
    """How long a trial may run, and what is called, in another thread, when that is over."""

    seconds: float
    on_overtime: Callable[[float], None]


def cause_of_overtime(seconds: float) -> str:
    """Return why an attempt ended that took longer than these seconds."""
    return f"it ran longer than hydra.sweeper.trial_timeout={seconds:g} s"


class Lease:
    """This worker's claim to one running trial; renewed by its own thread until it is released.

    Attributes:
        number: the trial's.
        attempt: how many attempts have ended in a death.
        done: steps of the trial, the present one in part; written when the lease is renewed. None if unknown.
    """

    def __init__(
        self,
        study: "optuna.Study",
        trial: "optuna.trial.FrozenTrial",
        seconds: float,
        content: dict[str, Any],
        limit: "Limit | None" = None,
    ) -> None:
        """Do not call this: `take` and `succeed` return a lease that is held."""
        self.number = trial.number
        self.done: float | None = None
        self._storage = storage_of(study)
        self._trial_id = id_of(trial)
        self._seconds = seconds
        self._content = content
        self._limit = limit
        self._writing = threading.Lock()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{self._trial_id}", daemon=True)

    @classmethod
    def take(cls, study: "optuna.Study", trial_id: int, seconds: float, limit: "Limit | None" = None) -> "Lease | None":
        """Return the lease on a trial just begun or pulled from the queue, or None if another worker holds it.

        Args:
            study: of the trial.
            trial_id: Optuna's.
            seconds: how long its owner may be silent before another worker may take the trial over.
            limit: how long it may run.
        """
        trial = storage_of(study).get_trial(trial_id)
        if trial.user_attrs.get(LEASE, {}).get("phase", _RELEASED) != _RELEASED:
            return None
        return cls._replacing(study, trial, seconds, _RUNNING, _attempt(trial), limit)

    @classmethod
    def succeed(cls, study: "optuna.Study", trial: "optuna.trial.FrozenTrial", seconds: float) -> "Lease | None":
        """Return the lease on the `trial` of a dead worker, so that it can be put back; None if another worker has it.

        The death counts as an attempt unless its worker was not running the trial: it had no lease yet, or was requeuing it.
        """
        before = trial.user_attrs.get(LEASE)
        died_of_it = before is not None and before.get("phase", _RUNNING) == _RUNNING
        return cls._replacing(study, trial, seconds, _RECLAIMING, _attempt(trial) + died_of_it)

    @classmethod
    def _replacing(
        cls,
        study: "optuna.Study",
        trial: "optuna.trial.FrozenTrial",
        seconds: float,
        phase: str,
        attempt: int,
        limit: "Limit | None" = None,
    ) -> "Lease | None":
        """Replace the lease that `trial` shows, and return the new one if it is held afterwards."""
        before = trial.user_attrs.get(LEASE)
        content = {
            "token": uuid.uuid4().hex,
            "beat": 0,
            "replaces": mark(before),
            "phase": phase,
            "attempt": attempt,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "process_start": process_start(os.getpid()),
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES") or None,
            **({BEGAN: _now()} if phase == _RUNNING else {}),
            **_earlier(before or {}, phase),
        }
        lease = cls(study, trial, seconds, content, limit)
        return lease if lease.begin() else None

    def begin(self) -> bool:
        """Write the lease, and renew it from now on if it is held."""
        with _unless_finished():
            self._write()
            if self.is_held():
                self._thread.start()
                return True
        return False

    def is_held(self) -> bool:
        """Return whether the trial is still this worker's; reads the storage."""
        return self._is_in(self._storage.get_trial(self._trial_id))

    def release(self) -> None:
        """Stop renewing; the trial's state decides what happens to it next. Again, it does nothing."""
        if self._released.is_set():
            return
        self._released.set()
        self._thread.join()
        self._keep_running()

    def give_back(self, *, refused: bool = False) -> None:
        """Put the trial back into the queue, with its number and parameters, unless another worker owns it by now."""
        self.release()
        with _unless_finished():
            self._write(phase=_RELEASED, refused=refused)
            if self.is_held():
                self._set_state("WAITING")

    def end_attempt(self, cause: str, max_retries: int, on_end: Callable[[int, str, str], None]) -> None:
        """Put the trial of a worker that died back into the queue, or fail it if that was its last attempt.

        Args:
            cause: what happened, such as "its worker died".
            max_retries: how often a trial is restarted.
            on_end: called with the number, "interrupted" or "failed", and the reason, while no other worker owns the trial.
        """
        try:
            self._storage.set_trial_user_attr(self._trial_id, ATTEMPT, self.attempt)
            if self.attempt <= max_retries:
                on_end(self.number, "interrupted", cause)
                return
            times = "once" if self.attempt == 1 else counted(self.attempt, "time")
            reason = f"{cause} {times} (hydra.sweeper.max_retries={max_retries})"
            self._storage.set_trial_user_attr(self._trial_id, REASON, reason)
            self._set_state("FAIL")
            on_end(self.number, "failed", reason)
        finally:
            self.give_back()

    @property
    def attempt(self) -> int:
        """How many attempts at the trial have ended in a death."""
        return int(self._content["attempt"])

    def count_attempt(self) -> None:
        """Count the present attempt as one that ended in a death; the worker itself lives on."""
        self._write(phase=_RECLAIMING, attempt=self.attempt + 1, **{DIED: True})

    def _is_in(self, trial: "optuna.trial.FrozenTrial") -> bool:
        return not trial.state.is_finished() and trial.user_attrs.get(LEASE, {}).get("token") == self._content["token"]

    def _renew(self) -> None:
        limit = self._limit
        end = math.inf if limit is None else time.monotonic() + limit.seconds
        while not self._released.wait(max(0.0, min(self._seconds / 3, end - time.monotonic()))):
            with suppress(Exception):
                self._write(**({_OVERTIME: limit.seconds} if limit is not None and time.monotonic() >= end else {}))
                self._keep_running()
            if limit is not None and time.monotonic() >= end:
                limit.on_overtime(limit.seconds)
                return  # if that does not end the trial, its silence does

    def _keep_running(self) -> None:
        """Take the trial out of the queue again if a worker that was silent for long has put it there."""
        trial = self._storage.get_trial(self._trial_id)
        if trial.state.name == "WAITING" and self._is_in(trial):
            self._set_state("RUNNING")

    def _set_state(self, name: str) -> None:
        from optuna.trial import TrialState

        self._storage.set_trial_state_values(self._trial_id, TrialState[name])

    def _write(self, **changes: Any) -> None:
        with self._writing:  # the worker changes it while its own thread renews it
            done = {} if self.done is None else {DONE: round(self.done, 3)}
            self._content = {**self._content, **done, **changes, "beat": self._content["beat"] + 1}
            if BEGAN in self._content:
                self._content[RENEWED] = _now()
            self._storage.set_trial_user_attr(self._trial_id, LEASE, self._content)


def _unless_finished() -> suppress:
    """Return a context that ends quietly if another worker has finished the trial meanwhile."""
    from optuna.exceptions import UpdateFinishedTrialError

    return suppress(UpdateFinishedTrialError)


def _now() -> str:
    return datetime.datetime.now().isoformat(timespec="milliseconds")


def _earlier(before: Mapping[str, Any], phase: str) -> dict[str, Any]:
    """Return the attempts before the lease that replaces `before`, which is that of another attempt if it has begun one."""
    attempts = list(before.get(EARLIER, ()))
    if BEGAN in before:
        last = {key: before[key] for key in _OF_AN_ATTEMPT if before.get(key) is not None}
        died = phase == _RECLAIMING and before.get("phase", _RUNNING) == _RUNNING
        attempts.append({**last, DIED: True} if died else last)
    return {EARLIER: attempts[-_MOST_EARLIER:]} if attempts else {}


def _attempt(trial: "optuna.trial.FrozenTrial") -> int:
    return int(trial.user_attrs.get(LEASE, {}).get("attempt", trial.user_attrs.get(ATTEMPT, 0)))


class Silence:
    """How long this process has seen the leases of running trials unchanged, by its own clock.

    A time written by the owner would come from another host's clock. A new reader cannot know how old a lease is, so it notices
    a dead owner on another machine after a whole lease at the latest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[int, tuple[Any, float]] = {}

    def seconds(self, trial: "optuna.trial.FrozenTrial") -> float:
        """Return how many seconds the trial's lease has been unchanged; an outage of the storage restarts the count."""
        now = self._clock()
        state = trial.user_attrs.get(LEASE) or trial.datetime_start
        before, since = self._seen.get(id_of(trial), (None, now))
        if before != state:
            since = now
        self._seen[id_of(trial)] = (state, since)
        return now - max(since, Outage.ended)


def reclaim_dead(
    study: "optuna.Study",
    *,
    lease_seconds: float,
    max_retries: int,
    silence: Silence,
    on_reclaimed: Callable[[int, str, str], None],
    seen: "Iterable[optuna.trial.FrozenTrial] | None" = None,
) -> bool:
    """Put the trials of dead workers back into the queue, and fail those that had their last attempt.

    A requeued trial keeps its number, parameters and folder; the worker that pulls it continues it. Of several callers at once,
    one reclaims a trial; if that one dies before it is done, the next does so, and no further attempt is counted.

    Args:
        study: whose running trials are checked.
        lease_seconds: how long a worker may be silent.
        max_retries: how often a trial is restarted.
        silence: what this worker has seen of leases so far.
        on_reclaimed: as `Lease.end_attempt` calls it.
        seen: the study's trials, as this worker has read them; None reads them now.

    Returns:
        whether a dead worker's trial was found, whichever worker reclaimed it.
    """
    found = False
    for trial in state_of(study).running if seen is None else seen:
        if trial.state.name == "RUNNING" and is_dead(trial, lease_seconds, silence):
            found = True
            lease = Lease.succeed(study, trial, lease_seconds)
            if lease is not None:
                with _unless_finished():  # its owner was only slow, and has finished it
                    overtime = trial.user_attrs.get(LEASE, {}).get(_OVERTIME)
                    cause = "its worker died" if overtime is None else cause_of_overtime(overtime)
                    lease.end_attempt(cause, max_retries, on_reclaimed)
    return found


def mark_overtime(study: "optuna.Study", pid: int, seconds: float) -> None:
    """Note in the lease of process `pid` of this machine, which is about to be killed, that its trial ran too long."""
    for trial in study.get_trials(deepcopy=False):
        lease: Mapping[str, Any] = trial.user_attrs.get(LEASE, {})
        is_its = lease.get("pid") == pid and lease.get("machine") == machine() and lease.get("phase", _RUNNING) == _RUNNING
        if trial.state.name == "RUNNING" and is_its and _OVERTIME not in lease:
            storage_of(study).set_trial_user_attr(id_of(trial), LEASE, {**lease, _OVERTIME: seconds})


def is_dead(trial: "optuna.trial.FrozenTrial", lease_seconds: float, silence: Silence) -> bool:
    """Return whether the worker of a running trial is known to be dead, or was silent for too long."""
    is_silent = silence.seconds(trial) > lease_seconds
    return is_silent or is_of_dead_process(trial.user_attrs.get(LEASE))


def is_of_dead_process(lease: Mapping[str, Any] | None) -> bool:
    """Return whether the worker that has the lease on a running trial was a process of this machine that has ended.

    A released lease says nothing: another worker has just pulled the trial from the queue.
    """
    if lease is None or lease.get("phase") == _RELEASED:
        return False
    return is_gone(lease["pid"], lease["process_start"], lease.get("machine"))
