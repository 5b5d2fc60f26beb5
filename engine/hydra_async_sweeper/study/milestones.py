"""Milestones: the steps of one training at which trials that report each step are compared, stopped and later promoted.

For a task without rungs of its own. Early steps of a long training order its end badly (on LCBench's tasks epoch 1 of 52 with
-0.22 to 0.40, epoch 3 with 0.45 to 0.89, epoch 9 with 0.65 to 0.97), so nothing is judged before an eighteenth of it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hydra_async_sweeper.study.rungs import Rungs
from hydra_async_sweeper.trial import NUM_STEPS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# Of the trials that reach a milestone the best third continues. Chosen, with the shares, by benchmarks/search_regret.py.
FACTOR = 3
_SHARES = (18, 6, 2)  # of a training: the milestones are after an 18th, a sixth and a half

# A training of fewer steps is not divided.
_FEWEST_STEPS = 9


def milestones(num_steps: int) -> list[int]:
    """Return the milestones of a training of `num_steps`, rising; none for a short one."""
    if num_steps < _FEWEST_STEPS:
        return []
    return sorted({step for share in _SHARES if (step := round(num_steps / share)) >= 1})


class Length:
    """How long a training is, and how many are complete: an index.

    Attributes:
        steps: those of the first trial that states them (`NUM_STEPS`) or is complete; 0 if there is none.
        num_complete: complete trials.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.num_complete = 0
        self._first: int | None = None

    def update(self, trial: "FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        is_complete = trial.state.name == "COMPLETE"
        self.num_complete += is_complete
        steps = trial.user_attrs.get(NUM_STEPS) or (max(trial.intermediate_values, default=0) if is_complete else 0)
        if steps and (self._first is None or trial.number < self._first):
            self.steps, self._first = steps, trial.number


class Milestones(Rungs):
    """Where trials stand at the milestones `steps`: an index."""

    def __init__(self, direction: str, *steps: int) -> None:
        super().__init__(direction)
        self.steps = set(steps)

    def _rungs_of(self, trial: "FrozenTrial") -> Iterable[int]:  # noqa: ARG002
        return tuple(self.steps)
