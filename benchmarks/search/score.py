"""Scores of searches: regrets of many tasks and seeds in one number, with an interval and the worst decile."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NUM_RESAMPLES = 2000


class Ratio(NamedTuple):
    """One method's interquartile mean over another's, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def interquartile_mean(regrets: NDArray[np.float64]) -> float:
    """Return the mean of the middle half of all values (Agarwal et al., 2021), whatever their shape."""
    ordered = np.sort(regrets, axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def worst_decile(regrets: NDArray[np.float64]) -> float:
    """Return the value that a tenth of all exceed."""
    return float(np.quantile(regrets, 0.9))


def ratio(regrets_TS: ArrayLike, others_TS: ArrayLike, seed: int = 0) -> Ratio:
    """Return the ratio of two methods' interquartile means over the same tasks.

    Args:
        regrets_TS: of one method, by task and seed.
        others_TS: of the other.
        seed: of the bootstrap, which resamples tasks with all their seeds, the same for both methods.
    """
    ours, theirs = np.asarray(regrets_TS), np.asarray(others_TS)
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(len(ours), size=len(ours)) for _ in range(_NUM_RESAMPLES)]
    ratios = [_ratio(ours[tasks], theirs[tasks]) for tasks in drawn]
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Ratio(_ratio(ours, theirs), float(low), float(high))


def cell(regrets_TS: NDArray[np.float64], others_TS: NDArray[np.float64]) -> str:
    """Return a table's cell: the interquartile mean, the worst decile, and the ratio to the other method's."""
    against = ratio(regrets_TS, others_TS)
    text = f"{interquartile_mean(regrets_TS):.3f} ({worst_decile(regrets_TS):.2f})"
    return f"{text} {against.value:.2f} [{against.low:.2f}, {against.high:.2f}]"


def _ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    below = interquartile_mean(theirs)
    return interquartile_mean(ours) / below if below > 0 else float("inf")
