"""Where the trials of a study stand at its rungs: best first, and who stopped there."""

import bisect
import math
from typing import TYPE_CHECKING

import optuna

from hydra_async_sweeper.trial import PROMOTED, RUNGS, passed_step

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# Orders trials: whether the report is no number, the loss, and the trial's number, so that the earlier one is first on a tie.
Key = tuple[bool, float, int]


class Rung:
    """The trials that trained one rung themselves, best first; and those that stopped there and were not promoted."""

    def __init__(self) -> None:
        self._judged: list[Key] = []
        self._stopped: list[Key] = []
        self._keys: dict[int, Key] = {}

    @property
    def num_judged(self) -> int:
        """How many trained the rung."""
        return len(self._judged)

    @property
    def num_continuing(self) -> int:
        """How many of them did not stop there, or were promoted."""
        return len(self._judged) - len(self._stopped)

    @property
    def best_stopped(self) -> int | None:
        """The number of the best that stopped, if any."""
        return self._stopped[0][2] if self._stopped else None

    def is_among_the_best(self, number: int, count: int) -> bool:
        """Return whether a trial is one of the best `count` that trained the rung."""
        key = self._keys.get(number)
        return key is not None and bisect.bisect_left(self._judged, key) < count

    def judge(self, number: int, key: Key | None) -> None:
        """Set the place of a trial; None if it has not trained the rung."""
        before = self._keys.pop(number, None)
        if before is not None:
            del self._judged[bisect.bisect_left(self._judged, before)]
        if key is not None:
            bisect.insort(self._judged, key)
            self._keys[number] = key

    def stop(self, number: int) -> None:
        """Note that a trial, which was judged, stopped here."""
        bisect.insort(self._stopped, self._keys[number])

    def promote(self, number: int) -> None:
        """Note that a trial was promoted, if it stopped here."""
        key = self._keys.get(number)
        if key in self._stopped:
            self._stopped.remove(key)


class Rungs:
    """The rungs of a study: an index.

    Attributes:
        steps: after which some trial has a rung.
    """

    def __init__(self, direction: str) -> None:
        self.steps: set[int] = set()
        self._sign = -1 if direction == "MAXIMIZE" else 1
        self._rungs: dict[int, Rung] = {}
        self._judged: dict[int, dict[int, float]] = {}  # of unfinished trials, the losses by step
        self._promoted: set[int] = set()

    def at(self, step: int) -> Rung:
        """Return the rung after `step`."""
        return self._rungs.setdefault(step, Rung())

    def update(self, trial: "FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        number, losses = trial.number, {step: self._sign * value for step, value in self._reports(trial).items()}
        if PROMOTED in trial.user_attrs:
            self._promoted.add(trial.user_attrs[PROMOTED]["trial"])
            self.at(self.reached(passed_step(trial))).promote(trial.user_attrs[PROMOTED]["trial"])
        before = self._judged.pop(number, {})
        for step in before.keys() | losses.keys():
            if before.get(step) != losses.get(step):
                self.at(step).judge(number, self._key(losses[step], number) if step in losses else None)
        if not trial.state.is_finished():
            self._judged[number] = losses
        elif trial.state == optuna.trial.TrialState.PRUNED and number not in self._promoted:
            last = self._stopped_after(trial)
            if last in losses:
                self.at(last).stop(number)

    def reached(self, step: int) -> int:
        """Return the rung after which a trial stopped that stopped at `step`."""
        return step

    def _reports(self, trial: "FrozenTrial") -> dict[int, float]:
        """Return the trial's report at each rung that it trained itself."""
        rungs = trial.user_attrs.get(RUNGS, ())
        self.steps.update(rungs)
        reports, passed = trial.intermediate_values, passed_step(trial)
        return {step: reports[step] for step in rungs if step in reports and step > passed}

    def _stopped_after(self, trial: "FrozenTrial") -> int:
        """Return the rung after which the pruner stopped the trial, which ended early; 0 if it did not."""
        return max(trial.intermediate_values, default=0)

    def _key(self, loss: float, number: int) -> Key:
        return (True, 0.0, number) if math.isnan(loss) else (False, loss, number)
