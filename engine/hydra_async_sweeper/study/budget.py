"""How many trials a study may still run, and when it should stop.

The budget counts finished trials, complete or pruned, of the study in total, however many starts and workers it took. It is
exact without a coordinator: a worker that has begun a trial checks its rank among those that are finished or may still
finish, and puts one beyond the budget back into the queue. Every storage numbers trials in order, so of two workers that
begin at once at least the later one sees the other. In the same way
no more than `n_trials` fail where `max_failure_rate` is 1.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.study.enqueue import is_own

if TYPE_CHECKING:
    import optuna

# Trial attribute: how many trials of its study had finished before it; orders them without comparing clocks of several hosts.
FINISHED_BEFORE = "finished_before"

# The failure rate is taken over at least so many trials, so that the first failures do not end a sweep.
_FEWEST_FOR_A_RATE = 5


@dataclass(frozen=True)
class Budget:
    """The rules that end a sweep; None switches one off."""

    n_trials: int
    timeout: float | None = None
    target: float | None = None
    patience: int | None = None
    max_failure_rate: float = 0.5

    @property
    def _limits_failures(self) -> bool:
        """Whether failures are counted, since a failure rate of 1 would never end a sweep."""
        return self.max_failure_rate >= 1

    def reason_to_stop(
        self, study: "optuna.Study", started: float, seen: "Sequence[optuna.trial.FrozenTrial] | None" = None
    ) -> str | None:
        """Return why no further trial should begin, or None.

        Args:
            study: as it stands.
            started: when this sweep began, by `time.time`.
            seen: its trials, where they have just been read.
        """
        trials = _own(study, seen)
        finished = _finished(trials)
        failed = _in(trials, "FAIL")
        ended = len(finished) + len(failed)
        if len(failed) > self.max_failure_rate * max(ended, _FEWEST_FOR_A_RATE):
            share = f"{len(failed)} of {counted(ended, 'trial')}"
            return f"{share} failed (hydra.sweeper.max_failure_rate={self.max_failure_rate:g})"
        if self._limits_failures and len(failed) >= self.n_trials:
            return f"{counted(len(failed), 'trial')} failed, as many as may finish (hydra.sweeper.n_trials={self.n_trials})"
        if len(finished) >= self.n_trials:
            return f"{len(finished)} of {counted(self.n_trials, 'trial')} {'is' if self.n_trials == 1 else 'are'} finished"
        if self.timeout is not None and time.time() - started > self.timeout:
            return f"hydra.sweeper.timeout={self.timeout:g}: the time is over"
        if len(study.directions) > 1 or (self.target is None and self.patience is None):
            return None
        bests = _best_so_far(study, finished)
        if self.target is not None and bests and not _is_better(study, self.target, bests[-1]):
            return f"hydra.sweeper.target={self.target:g} is reached"
        if self.patience is not None and len(bests) > self.patience and bests[-1] == bests[-1 - self.patience]:
            return f"{counted(self.patience, 'trial')} brought no improvement (hydra.sweeper.patience)"
        return None

    def num_left(self, study: "optuna.Study", seen: "Sequence[optuna.trial.FrozenTrial] | None" = None) -> int:
        """Return how many further trials may be begun beside those that are running; `seen` as for `reason_to_stop`."""
        trials = _own(study, seen)
        return self.n_trials - self._num_used(trials) - len(_in(trials, "RUNNING"))

    def admits(self, study: "optuna.Study", number: int) -> bool:
        """Return whether trial `number`, just begun, is within the budget; if not, it must be given back.

        Among trials that run to their end, consider the one with the highest number: when it was admitted every other was
        finished already, or running or queued with a lower number, and all of these were counted. So never more than
        `n_trials` finish. The same holds for trials that fail.
        """
        trials = _own(study)
        before = sum(trial.number < number for trial in _in(trials, "RUNNING", "WAITING"))
        return self._num_used(trials) + before < self.n_trials

    def _num_used(self, trials: "Sequence[optuna.trial.FrozenTrial]") -> int:
        """Return how much of the budget is used: each running trial may finish or fail, and needs room for both."""
        return max(len(_finished(trials)), len(_in(trials, "FAIL")) if self._limits_failures else 0)


def _own(study: "optuna.Study", seen: "Sequence[optuna.trial.FrozenTrial] | None" = None) -> list["optuna.trial.FrozenTrial"]:
    return [trial for trial in (study.get_trials(deepcopy=False) if seen is None else seen) if is_own(trial)]


def _finished(trials: Sequence["optuna.trial.FrozenTrial"]) -> list["optuna.trial.FrozenTrial"]:
    return _in(trials, "COMPLETE", "PRUNED")


def _in(trials: Sequence["optuna.trial.FrozenTrial"], *names: str) -> list["optuna.trial.FrozenTrial"]:
    """Return the trials in these states; comparing names takes six times as long as comparing states."""
    from optuna.trial import TrialState

    states = [TrialState[name] for name in names]
    return [trial for trial in trials if trial.state in states]


def _is_better(study: "optuna.Study", value: float, other: float) -> bool:
    return value > other if study.direction.name == "MAXIMIZE" else value < other


def num_finished(study: "optuna.Study") -> int:
    """Return how many trials of its own the study has finished."""
    return len(_finished(_own(study)))


def _by_end(trial: "optuna.trial.FrozenTrial") -> tuple[int, float, int]:
    """Return the key that sorts finished trials by their ends.

    A trial that ended after another had ended counted it, so it has a higher `FINISHED_BEFORE`. Those without one are of an
    older version and come first, by their hosts' clocks.
    """
    before = trial.user_attrs.get(FINISHED_BEFORE)
    if before is not None:
        return 1, before, trial.number
    end = trial.datetime_complete or trial.datetime_start
    return 0, 0.0 if end is None else end.timestamp(), trial.number


def _best_so_far(study: "optuna.Study", finished: Sequence["optuna.trial.FrozenTrial"]) -> list[float]:
    """Return the best value after each finished trial, in the order in which they finished, from the first complete one."""
    bests: list[float] = []
    for trial in sorted(finished, key=_by_end):
        if trial.state.name == "COMPLETE" and trial.value is not None:
            better = not bests or _is_better(study, trial.value, bests[-1])
            bests.append(trial.value if better else bests[-1])
        elif bests:
            bests.append(bests[-1])
    return bests
