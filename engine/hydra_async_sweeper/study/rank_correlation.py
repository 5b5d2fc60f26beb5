"""How well an early value orders the ends: the rank correlation of trials' values at a step with their final values.

Pruning at a step whose values do not order the ends is a lottery, so tables show this while a sweep runs.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra_async_sweeper.readable import counted

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# With fewer trials the interval spans nearly everything.
FEWEST = 5

# Steps at which the pruner stopped most trials; more are not shown.
_MOST_STEPS = 3


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho of values at one step with final values, and its 95 % interval."""

    rho: float
    low: float
    high: float
    num_trials: int

    def __str__(self) -> str:
        return f"{self.rho:.2f} ({self.low:.1f} to {self.high:.1f}, {counted(self.num_trials, 'trial')})"


def rank_correlation(early: Sequence[float], final: Sequence[float]) -> RankCorrelation | None:
    """Return the correlation, or None with fewer than `FEWEST` trials or where one side is constant.

    The interval is Fisher's, with the standard error of Bonett and Wright ("Sample size requirements for estimating Pearson,
    Kendall and Spearman correlations", Psychometrika 2000); a perfect order of n trials counts as 1 - 1/n in it.
    """
    num = len(early)
    if num < FEWEST or len(set(early)) == 1 or len(set(final)) == 1:
        return None
    rho = _pearson(_ranks(early), _ranks(final))
    within = max(-1 + 1 / num, min(1 - 1 / num, rho))
    reach = 1.96 * math.sqrt((1 + within**2 / 2) / (num - 3))
    return RankCorrelation(rho, math.tanh(math.atanh(within) - reach), math.tanh(math.atanh(within) + reach), num)


def at_pruned_steps(trials: Iterable["FrozenTrial"]) -> dict[int, RankCorrelation]:
    """Return the correlation at the steps at which most trials were stopped, by step; from complete trials alone.

    Only the best trials get to the end where others are stopped, so it is estimated from a narrow range and looks lower than it
    is among all.
    """
    ended = list(trials)
    complete = [trial for trial in ended if trial.state.name == "COMPLETE" and trial.values]
    stopped = Counter(max(it.intermediate_values) for it in ended if it.state.name == "PRUNED" and it.intermediate_values)
    found = {}
    for step in sorted(step for step, _ in stopped.most_common(_MOST_STEPS)):
        pairs = [(it.intermediate_values[step], it.values[0]) for it in complete if step in it.intermediate_values]
        correlation = rank_correlation([early for early, _ in pairs], [final for _, final in pairs])
        if correlation is not None:
            found[step] = correlation
    return found


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value; equal ones have the mean of their ranks."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def _pearson(xs: Sequence[float], ys: Sequence[float]) -> float:
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    both = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return both / math.sqrt(sum((x - mean_x) ** 2 for x in xs) * sum((y - mean_y) ** 2 for y in ys))
