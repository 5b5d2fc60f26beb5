"""Statistics of repeated runs of several configurations: means, intervals, and significant differences.

Shape suffixes: S seeds (runs of one configuration), N images of the test set.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The level of every interval and test here.
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Repetitions:
    """The runs of one configuration: values_S of a metric of the test set.

    The noise of its images comes from is_right_SN, if it is known which images each run got right (of an accuracy), else from
    deviations_S, the standard deviation of each value. Where each seed has drawn its own test images, the `test_fraction` of
    all, the noise of the images is in the values already; all configurations then have their seeds in the same order.
    """

    values_S: np.ndarray
    num_images: int
    is_right_SN: np.ndarray | None = None
    deviations_S: np.ndarray | None = None
    is_maximized: bool = True
    test_fraction: float | None = None

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(self.values_S.mean())

    @property
    def oriented_mean(self) -> float:
        """The mean, or its negative where less is better."""
        return self.mean if self.is_maximized else -self.mean

    @property
    def deviation(self) -> float:
        """The standard deviation of one run, over the seeds (Bessel-corrected)."""
        return float(self.values_S.std(ddof=1))

    def half_interval(self) -> float:
        """Return half the width of the 95 % interval of the mean over seeds, by Student's t.

        The test set is taken as given; where each seed has its own, the variance is Nadeau and Bengio's, see `difference`.
        """
        from scipy.stats import t

        num_seeds = len(self.values_S)
        share = 1 / num_seeds + _overlap(self.test_fraction)
        return float(t.ppf(1 - LEVEL / 2, num_seeds - 1)) * self.deviation * math.sqrt(share)


@dataclass(frozen=True)
class Difference:
    """How far a configuration is behind another, with the standard error and the two-sided p-value."""

    value: float
    standard_error: float
    p_value: float


def difference(better: Repetitions, other: Repetitions) -> Difference:
    """Compare two configurations by Welch's t test, with two sources of noise: the seeds, and the images of the test set.

    The variance of the difference of the means is s²/S of either side (Welch, 1947) plus that of the paired difference over
    images, since another test set of the same kind would give another difference. If it is not known which images were
    right, the variances of each side replace the latter, the given or the binomial ones; they ignore the pairing, so fewer
    differences are significant.

    Where each seed has drawn its own test images, the paired differences are tested, with the variance that Nadeau and Bengio
    ("Inference for the Generalization Error", 2003) give them, as the trainings share images.
    """
    from scipy.stats import t

    value = better.mean - other.mean if better.is_maximized else other.mean - better.mean
    if better.test_fraction is not None and len(better.values_S) == len(other.values_S):
        num_seeds = len(better.values_S)
        spread = float((better.values_S - other.values_S).std(ddof=1))
        if spread == 0:
            return Difference(value, 0.0, float(value == 0))
        error = spread * math.sqrt(1 / num_seeds + _overlap(better.test_fraction))
        return Difference(value, error, float(2 * t.sf(abs(value) / error, num_seeds - 1)))
    parts = [(side.deviation**2 / len(side.values_S), len(side.values_S) - 1) for side in (better, other)]
    if better.is_right_SN is not None and other.is_right_SN is not None:
        difference_N = better.is_right_SN.mean(axis=0) - other.is_right_SN.mean(axis=0)
        of_images = float(difference_N.var(ddof=1)) / len(difference_N)
    elif better.deviations_S is not None and other.deviations_S is not None:
        of_images = sum(float((side.deviations_S**2).mean()) for side in (better, other) if side.deviations_S is not None)
    else:
        of_images = sum(side.mean * (1 - side.mean) / side.num_images for side in (better, other))
    parts.append((of_images, better.num_images - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Difference(value, 0.0, float(value == 0))
    # Welch and Satterthwaite's degrees of freedom of a sum of variances.
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(variance)
    return Difference(value, error, float(2 * t.sf(abs(value) / error, freedom)))


def _overlap(test_fraction: float | None) -> float:
    """Return the ratio of test to training images where they are drawn anew with each seed, else nothing."""
    return 0.0 if test_fraction is None else test_fraction / (1 - test_fraction)


def indistinguishable(all_of_them: Sequence[Repetitions]) -> tuple[int, dict[int, Difference], list[int]]:
    """Return the index of the best mean, how far each other is behind it, and the indices not significantly worse.

    The level is divided by the number of comparisons (Bonferroni). The last list includes the best itself.
    """
    best = max(range(len(all_of_them)), key=lambda index: all_of_them[index].oriented_mean)
    behind = {index: difference(all_of_them[best], it) for index, it in enumerate(all_of_them) if index != best}
    level = LEVEL / max(1, len(behind))
    return best, behind, [index for index in range(len(all_of_them)) if index == best or behind[index].p_value > level]
