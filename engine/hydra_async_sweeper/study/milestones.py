"""Milestones: the steps of one training at which trials that report as they train are compared, stopped and later promoted.

For a task without rungs of its own. Early steps of a long training order its end badly (on LCBench's tasks epoch 1 of 52 with
-0.22 to 0.40, epoch 3 with 0.45 to 0.89, epoch 9 with 0.65 to 0.97), so nothing is judged before an eighteenth of it.
"""

import bisect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_async_sweeper.study.rungs import Rungs
from hydra_async_sweeper.trial import NUM_STEPS, STOPPED_ITSELF, passed_step

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_SHARES = (18, 6, 2)  # of a training: the milestones are after an 18th, a sixth and a half of its reports

# A training of fewer reports is not divided.
_FEWEST_REPORTS = 9

# How close a trial's value is to one that it reported, in relation to it.
_CLOSE = 1e-6


def milestones(reported: Sequence[int]) -> list[int]:
    """Return the milestones of a training that reports after these steps, rising; none for a short one."""
    if len(reported) < _FEWEST_REPORTS:
        return []
    return sorted({reported[count - 1] for share in _SHARES if (count := round(len(reported) / share)) >= 1})


class Length:
    """How long a training is, and how many are complete: an index.

    Attributes:
        reported: the steps of the longest training that is complete; without any, those from 1 that a trial states
            (`NUM_STEPS`); empty if none does.
        num_complete: complete trials.
        num_stopped: trials that a pruner stopped.
        returns_a_report: whether the first complete trial returned a value that it had reported.
    """

    def __init__(self) -> None:
        self.reported: Sequence[int] = ()
        self.num_complete = 0
        self.num_stopped = 0
        self.returns_a_report = False
        self._longest: tuple[int, int] | None = None  # its last step, and its number, negated: the first of several
        self._first = math.inf

    def update(self, trial: "FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        reports = trial.intermediate_values
        if trial.state.name != "COMPLETE":
            self.num_stopped += trial.state.name == "PRUNED" and not trial.user_attrs.get(STOPPED_ITSELF)
            steps: int = trial.user_attrs.get(NUM_STEPS) or 0
            if self._longest is None and steps > len(self.reported):
                self.reported = range(1, steps + 1)
            return
        self.num_complete += 1
        length = max(reports, default=0), -trial.number
        if self._longest is None or length > self._longest:
            self.reported, self._longest = sorted(reports), length
        if trial.number < self._first and trial.values:
            self._first = trial.number
            self.returns_a_report = any(math.isclose(it, trial.values[0], rel_tol=_CLOSE) for it in reports.values())


class Milestones(Rungs):
    """Where trials stand at the milestones `steps`, by the first report from each on: an index."""

    def __init__(self, direction: str, *steps: int) -> None:
        super().__init__(direction)
        self.steps = set(steps)
        self._rising = sorted(steps)

    def reached(self, step: int) -> int:
        """Return the last milestone up to `step`; 0 before the first."""
        place = bisect.bisect(self._rising, step)
        return self._rising[place - 1] if place else 0

    def _reports(self, trial: "FrozenTrial") -> dict[int, float]:
        """Return the trial's report at each milestone that it reached."""
        reports, passed = trial.intermediate_values, passed_step(trial)
        rising = sorted(reports)
        at = {milestone: bisect.bisect_left(rising, milestone) for milestone in self._rising if milestone > passed}
        return {milestone: reports[rising[place]] for milestone, place in at.items() if place < len(rising)}

    def _stopped_after(self, trial: "FrozenTrial") -> int:
        return 0 if trial.user_attrs.get(STOPPED_ITSELF) else self.reached(max(trial.intermediate_values, default=0))
