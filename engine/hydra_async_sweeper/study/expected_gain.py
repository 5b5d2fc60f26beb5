"""What the next trials of a search are expected to gain, and the rule that ends a sweep where that is little.

Take the last `k` configurations that the sampler drew as draws whose order means nothing, and what came before as given. The
mean, over all orders of the `k`, of how much the last `m` of them improved the best value is

    E[best of k] - E[best of k - m] = sum over j = 1..m of (x_j - x_(j+1)) * m (m-1) ... (m-j+1) / (k (k-1) ... (k-j+1))

with their values x_1, x_2, ... best first, none taken as worse than the best one given: a step between neighbours counts where
the best j are all among the last m. These are the unbiased expectations of Tang et al., "Showing Your Work Doesn't Always Work"
(ACL 2020), after Dodge et al., "Show Your Work" (EMNLP 2019). For exchangeable draws the expected best is concave in their
number, so the next `m` gain no more in expectation.

The draws of a sampler that learns become better, which a mean over all orders hides. The estimate is therefore the largest over
the last m, 2m, 4m, ... draws and all of them; with k = m it is what the last m did gain.

It is too low where it ends a sweep, as it ends one where it happens to be low: on LCBench's development tasks and ifbo's prior
the next ten trials gained 0.5 to 1.7 times the stated gain on average with random search or the default pruner, and 2.0 to 2.3
times with TPE alone, which improves for longer (benchmarks/search_stop.py, benchmarks/LOG.md).
"""

import bisect
import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.study.candidates import is_candidate
from hydra_async_sweeper.study.ends import End, by_end
from hydra_async_sweeper.study.enqueue import is_own
from hydra_async_sweeper.trial import PROMOTED

if TYPE_CHECKING:
    import optuna

# With fewer complete draws nothing is estimated.
_FEWEST_COMPLETE = 5


@dataclass(frozen=True)
class StopWhen:
    """The option `hydra.sweeper.stop_when`: a sweep ends when its next trials are expected to gain little.

    Attributes:
        gain: that is too little, above 0, in the objective's own unit.
        trials: the number of next trials, at least 1.
    """

    gain: float
    trials: int

    def reason(self, draws: "Draws") -> str | None:
        """Return why no further trial should begin, or None; never before twice as many draws as `trials`."""
        if draws.num_drawn < 2 * self.trials or draws.num_complete < _FEWEST_COMPLETE:
            return None
        expected = draws.expected_gain(self.trials)
        if expected >= self.gain:
            return None
        trials = "trial is" if self.trials == 1 else f"{counted(self.trials, 'trial')} are"
        limit = f"hydra.sweeper.stop_when.gain={self.gain:g}"
        found = f"estimated from {counted(draws.num_drawn, 'configuration')} that the sampler drew"
        return f"the next {trials} expected to gain {_below(expected, self.gain)}, less than {limit} ({found})"


class Draws:
    """The configurations that the sampler drew and whose trials finished, in the order of their ends: an index.

    A configuration counts once, also if its trial stopped and another one continues it (a promotion). One that is not complete
    counts as no better than the worst complete one, as do those outside of their constraints and infinitely bad ones. Enqueued
    configurations and those of another study are not drawn: their best value is given from the beginning.
    """

    def __init__(self, direction: str) -> None:
        self._sign = 1 if direction == "MAXIMIZE" else -1
        self._values: list[float] = []  # more is better; minus infinity where there is none
        self._order: list[End] = []  # of the values
        self._given = -math.inf  # the best of the others
        self._ends: dict[int, End] = {}  # of finished trials whose configurations the sampler drew
        self.num_complete = 0

    @property
    def num_drawn(self) -> int:
        """How many there are."""
        return len(self._values)

    def expected_gain(self, num_next: int) -> float:
        """Return how much the next `num_next` draws are expected to improve the best value; see the module.

        Nothing improves on an infinite value. It takes at least `num_next` draws, and of just as many it is infinite.
        """
        bests = list(itertools.accumulate(self._values, max, initial=self._given))
        if bests[-1] == math.inf:
            return 0.0
        return max(self._mean_gain(bests[-1 - num], num, num_next) for num in _windows(num_next, self.num_drawn))

    def _mean_gain(self, given: float, num_last: int, num_next: int) -> float:
        """Return the mean gain of the last `num_next`, over all orders of the last `num_last`; `given` is the best before."""
        last = [value for value in heapq.nlargest(num_next + 1, self._values[-num_last:]) if value > -math.inf]
        if given == -math.inf and num_last == num_next:
            return math.inf if last else 0.0
        best_first = [max(value, given) for value in last] + [given] * (given > -math.inf)
        gain, share = 0.0, 1.0
        for index, (value, behind) in enumerate(itertools.pairwise(best_first[: num_next + 1])):
            share *= (num_next - index) / (num_last - index)
            gain += share * (value - behind)
        return gain

    def update(self, trial: "optuna.trial.FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        if trial.state.name not in ("COMPLETE", "PRUNED"):
            return
        value = self._sign * trial.values[0] if is_candidate(trial) else -math.inf
        continued = trial.user_attrs.get(PROMOTED, {}).get("trial")
        if continued in self._ends:
            place = bisect.bisect_left(self._order, self._ends.pop(continued))
            del self._values[place], self._order[place]
        elif continued is not None or not is_own(trial) or "fixed_params" in trial.system_attrs:
            self._given = max(self._given, value)
            return
        end = self._ends[trial.number] = by_end(trial)
        place = bisect.bisect_left(self._order, end)
        self._values.insert(place, value)
        self._order.insert(place, end)
        self.num_complete += value > -math.inf


def _windows(shortest: int, longest: int) -> Iterator[int]:
    """Yield `shortest`, its doubles below `longest`, and that."""
    length = shortest
    while length < longest:
        yield length
        length *= 2
    yield longest


def _below(value: float, limit: float) -> str:
    """Return `value`, which is below `limit`, with as many digits as show that, two at least."""
    return next(text for digits in range(2, 18) if float(text := f"{value:.{digits}g}") < limit)
