"""How many trials a study may still run, and when it should stop.

The budget counts finished trials, complete or pruned, of the study in total, however many starts and workers it took. It is
exact without a coordinator: a worker that has begun a trial checks its rank among those that are finished or may still
finish, and puts one beyond the budget back into the queue. Every storage numbers trials in order, so of two workers that
begin at once at least the later one sees the other. In the same way
no more than `n_trials` fail where `max_failure_rate` is 1.
"""

import bisect
import operator
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.study.candidates import is_candidate
from hydra_async_sweeper.study.ends import End, by_end
from hydra_async_sweeper.study.enqueue import is_own
from hydra_async_sweeper.study.expected_gain import Draws, StopWhen
from hydra_async_sweeper.study.state import state_of

if TYPE_CHECKING:
    import optuna

# The failure rate is taken over at least so many trials, so that the first failures do not end a sweep.
_FEWEST_FOR_A_RATE = 5


@dataclass(frozen=True)
class Budget:
    """The rules that end a sweep; None switches one off."""

    n_trials: int
    timeout: float | None = None
    target: float | None = None
    patience: int | None = None
    stop_when: StopWhen | None = None
    max_failure_rate: float = 0.5

    @property
    def _limits_failures(self) -> bool:
        """Whether failures are counted, since a failure rate of 1 would never end a sweep."""
        return self.max_failure_rate >= 1

    def reason_to_stop(self, study: "optuna.Study", started: float) -> str | None:
        """Return why no further trial should begin, or None.

        Args:
            study: as it stands.
            started: when this sweep began, by `time.time`.
        """
        failure = self.failure(study)
        if failure is not None:
            return failure
        state = state_of(study)
        counts = state.index(Counts)
        if self._limits_failures and counts.failed >= self.n_trials:
            many = f"as many as may finish (hydra.sweeper.n_trials={self.n_trials})"
            return f"{counted(counts.failed, 'trial')} failed, {many}"
        if counts.finished >= self.n_trials:
            return f"{counts.finished} of {counted(self.n_trials, 'trial')} {'is' if self.n_trials == 1 else 'are'} finished"
        if self.timeout is not None and time.time() - started > self.timeout:
            return f"hydra.sweeper.timeout={self.timeout:g}: the time is over"
        if len(study.directions) > 1 or (self.target is None and self.patience is None and self.stop_when is None):
            return None
        bests = state.index(BestsByEnd, study.direction.name)
        best = bests.after_all_but(0)
        if self.target is not None and best is not None and not bests.is_better(self.target, best):
            return f"hydra.sweeper.target={self.target:g} is reached"
        if self.patience is not None and best is not None and best == bests.after_all_but(self.patience):
            return f"{counted(self.patience, 'trial')} brought no improvement (hydra.sweeper.patience)"
        if self.stop_when is not None:
            return self.stop_when.reason(state.index(Draws, study.direction.name))
        return None

    def failure(self, study: "optuna.Study") -> str | None:
        """Return that more trials have failed than the sweep accepts, or None."""
        counts = state_of(study).index(Counts)
        ended = counts.finished + counts.failed
        if counts.failed <= self.max_failure_rate * max(ended, _FEWEST_FOR_A_RATE):
            return None
        share = f"{counts.failed} of {counted(ended, 'trial')}"
        return f"{share} failed (hydra.sweeper.max_failure_rate={self.max_failure_rate:g})"

    def num_left(self, study: "optuna.Study") -> int:
        """Return how many further trials may be begun beside those that are running."""
        counts = state_of(study).index(Counts)
        return self.n_trials - self._num_used(counts) - counts.num_running

    def admits(self, study: "optuna.Study", number: int) -> bool:
        """Return whether trial `number`, just begun, is within the budget; if not, it must be given back.

        Among trials that run to their end, consider the one with the highest number: when it was admitted every other was
        finished already, or running or queued with a lower number, and all of these were counted. So never more than
        `n_trials` finish. The same holds for trials that fail.
        """
        counts = state_of(study).index(Counts)
        return self._num_used(counts) + counts.num_unfinished_before(number) < self.n_trials

    def _num_used(self, counts: "Counts") -> int:
        """Return how much of the budget is used: each running trial may finish or fail, and needs room for both."""
        return max(counts.finished, counts.failed if self._limits_failures else 0)


class Counts:
    """How many trials of its own a study has in each state: an index.

    Attributes:
        finished: complete or pruned.
        failed: the others that have ended.
    """

    def __init__(self) -> None:
        self.finished = 0
        self.failed = 0
        self._unfinished: dict[int, str] = {}

    @property
    def num_running(self) -> int:
        """How many are running."""
        return sum(state == "RUNNING" for state in self._unfinished.values())

    def num_unfinished_before(self, number: int) -> int:
        """Return how many with a lower number are running or in the queue."""
        return sum(it < number for it in self._unfinished)

    def update(self, trial: "optuna.trial.FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        if not is_own(trial):
            return
        state = trial.state.name
        if state in ("RUNNING", "WAITING"):
            self._unfinished[trial.number] = state
            return
        self._unfinished.pop(trial.number, None)
        if state == "FAIL":
            self.failed += 1
        else:
            self.finished += 1


def num_finished(study: "optuna.Study") -> int:
    """Return how many trials of its own the study has finished."""
    return state_of(study).index(Counts).finished


class BestsByEnd:
    """The best value after each finished trial of the study's own, in the order in which they finished: an index."""

    def __init__(self, direction: str) -> None:
        self._is_maximized = direction == "MAXIMIZE"
        self._ends: list[tuple[End, float | None]] = []
        self._bests: list[float | None] = []  # after each of the first of them

    def is_better(self, value: float, other: float) -> bool:
        """Return whether `value` is better than `other`."""
        return value > other if self._is_maximized else value < other

    def after_all_but(self, count: int) -> float | None:
        """Return the best value after all but the last `count` trials; None if none of those is complete."""
        for _, value in self._ends[len(self._bests) :]:
            before = self._bests[-1] if self._bests else None
            is_best = value is not None and (before is None or self.is_better(value, before))
            self._bests.append(value if is_best else before)
        return self._bests[-1 - count] if count < len(self._bests) else None

    def update(self, trial: "optuna.trial.FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        if trial.state.name not in ("COMPLETE", "PRUNED") or not is_own(trial):
            return
        end = by_end(trial), trial.value if is_candidate(trial) else None
        place = bisect.bisect(self._ends, end[0], key=operator.itemgetter(0))
        self._ends.insert(place, end)
        del self._bests[place:]
