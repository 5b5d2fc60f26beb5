"""The best value to expect of a search with a smaller budget, from the values that a search has found.

Dodge et al., "Show Your Work" (EMNLP 2019), with the unbiased estimate of Tang et al., "Showing Your Work Doesn't Always Work"
(ACL 2020).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The share of searches whose best lies in the band.
BAND = 0.9

# With fewer values there is nothing to expect.
FEWEST_VALUES = 4


@dataclass(frozen=True)
class Expected:
    """The best of `number` configurations: its expectation, and the band that holds the middle 90 % of such searches."""

    number: int
    mean: float
    low: float
    high: float


def expected_best(values: Sequence[float], numbers: Sequence[int], *, is_maximized: bool) -> list[Expected]:
    """Return what to expect of the best of each of `numbers` configurations, drawn at random as the given ones were.

    The expectation is the mean over all subsets of the values, which is unbiased; the band consists of quantiles of the best
    of independent draws from the values.

    Args:
        values: of all configurations, finite.
        numbers: of configurations, from 1 to the number of values.
        is_maximized: whether more is better.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    if not is_maximized:
        ordered = -ordered[::-1]
    count = len(ordered)
    found = []
    for number in numbers:
        mean = float(np.dot(_shares(count, number), ordered))
        low, high = (
            float(ordered[max(math.ceil(count * share ** (1 / number) - 1e-9), 1) - 1])
            for share in ((1 - BAND) / 2, (1 + BAND) / 2)
        )
        found.append(Expected(number, mean, low, high) if is_maximized else Expected(number, -mean, -high, -low))
    return found


def _shares(count: int, number: int) -> np.ndarray:
    """Return the probability of each of `count` ordered values to be the largest of `number` of them, without repetition."""
    from scipy.special import gammaln

    ranks = np.arange(number, count + 1, dtype=float)  # of the values that may be the largest, from 1
    logs = gammaln(ranks) - gammaln(ranks - number + 1) - gammaln(number)  # of binomial(rank - 1, number - 1)
    logs -= gammaln(count + 1) - gammaln(count - number + 1) - gammaln(number + 1)
    shares = np.zeros(count)
    shares[number - 1 :] = np.exp(logs)
    shares /= shares.sum()
    return shares


def budgets(count: int, most: int) -> list[int]:
    """Return at most `most` whole numbers from 1 to `count`, both included, spaced evenly on a logarithmic scale."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({round(number) for number in np.geomspace(1, count, most)})
