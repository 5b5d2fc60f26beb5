"""Statistics of repeated runs of several configurations: means, intervals, and the difference of two of them.

Shape suffixes: S seeds (runs of one configuration), N images of the test set, R resamples of them, U either of the two.
"""

import math
from collections.abc import Container
from dataclasses import dataclass, replace

import numpy as np

# The level of every interval and test here.
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Repetitions:
    """The runs of one configuration: values_S of a metric of the test set.

    The noise of its images comes from is_right_SN, if it is known which images each run got right (of an accuracy); or from
    values_SR on resamples that all runs share, of `num_drawn` images or groups each; else from deviations_S, the standard
    deviation of each value. Where each seed has drawn its own test images, the `test_fraction` of all, the noise of the images
    is in the values already; all configurations then have their seeds in the same order.
    """

    values_S: np.ndarray
    num_images: int
    is_right_SN: np.ndarray | None = None
    deviations_S: np.ndarray | None = None
    is_maximized: bool = True
    test_fraction: float | None = None
    values_SR: np.ndarray | None = None
    num_drawn: int = 0
    seeds: tuple[int, ...] = ()

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

    def of_seeds(self, seeds: Container[int]) -> "Repetitions":
        """Return the runs with one of `seeds`."""
        kept = [index for index, seed in enumerate(self.seeds) if seed in seeds]
        return replace(
            self,
            values_S=self.values_S[kept],
            is_right_SN=None if self.is_right_SN is None else self.is_right_SN[kept],
            deviations_S=None if self.deviations_S is None else self.deviations_S[kept],
            values_SR=None if self.values_SR is None else self.values_SR[kept],
            seeds=tuple(self.seeds[index] for index in kept),
        )


@dataclass(frozen=True)
class Difference:
    """How far a configuration is behind another: the standard error, Student's t degrees of freedom, the two-sided p-value."""

    value: float
    standard_error: float
    p_value: float
    freedom: float

    @property
    def probability(self) -> float:
        """The probability that the one is better than the other, given these runs: the t distribution around the difference.

        It is one minus the one-sided p-value, which with a flat prior is the posterior probability.
        """
        return 1 - self.p_value / 2 if self.value >= 0 else self.p_value / 2

    def half_interval(self) -> float:
        """Return half the width of the 95 % interval of the difference."""
        from scipy.stats import t

        return float(t.ppf(1 - LEVEL / 2, self.freedom)) * self.standard_error


def difference(better: Repetitions, other: Repetitions) -> Difference:
    """Compare two configurations by Welch's t test, with two sources of noise: the seeds, and the images of the test set.

    The variance of the difference of the means is s²/S of either side (Welch, 1947) plus that of the images, which all runs
    share. The latter is what the outcomes of different seeds have in common, the covariances over images (or over resamples)
    of Obuchowski and Rockette, who compare diagnostic modalities by several readers on the same cases ("Hypothesis testing of
    diagnostic accuracy for multiple readers and multiple tests", 1995): seeds are the readers here, and the variance over
    images within one run is in s² already. Images alone would say how sure the difference of these networks is, not that of
    their configurations. Seeds are not paired, which would halve the degrees of freedom: the same seed gives two
    configurations the same order of images at most, and a positive correlation makes this test conservative.

    If it is not known which images were right, the variances of each side replace the covariances, the given or the binomial
    ones; they ignore the pairing, so fewer differences are significant.

    Where each seed has drawn its own test images, the paired differences are tested, with the variance that Nadeau and Bengio
    ("Inference for the Generalization Error", 2003) give them, as the trainings share images.
    """
    value = better.mean - other.mean if better.is_maximized else other.mean - better.mean
    if better.test_fraction is not None and len(better.values_S) == len(other.values_S):
        num_seeds = len(better.values_S)
        spread = float((better.values_S - other.values_S).std(ddof=1))
        return _tested(value, [(spread**2 * (1 / num_seeds + _overlap(better.test_fraction)), num_seeds - 1)])
    parts = [(side.deviation**2 / len(side.values_S), len(side.values_S) - 1) for side in (better, other)]
    return _tested(value, [*parts, _of_images(better, other)])


def _tested(value: float, parts: list[tuple[float, int]]) -> Difference:
    """Return the t test of a difference whose variance is the sum of `parts`, each with its degrees of freedom."""
    from scipy.special import stdtr

    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Difference(value, 0.0, float(value == 0), math.inf)
    # Welch and Satterthwaite's degrees of freedom of a sum of variances.
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(variance)
    return Difference(value, error, float(2 * stdtr(freedom, -abs(value) / error)), freedom)


def _of_images(better: Repetitions, other: Repetitions) -> tuple[float, int]:
    """Return the variance of the difference over other images of the same kind, with its degrees of freedom."""
    for ours_SU, theirs_SU, num_drawn, num_of_mean in (
        (better.values_SR, other.values_SR, better.num_drawn, 1),
        (better.is_right_SN, other.is_right_SN, better.num_images, better.num_images),
    ):
        if ours_SU is not None and theirs_SU is not None and ours_SU.shape[1:] == theirs_SU.shape[1:]:
            return max(_shared(ours_SU, theirs_SU), 0.0) / num_of_mean, num_drawn - 1
    if better.deviations_S is not None and other.deviations_S is not None:
        return float((better.deviations_S**2).mean() + (other.deviations_S**2).mean()), better.num_images - 1
    return sum(side.mean * (1 - side.mean) / side.num_images for side in (better, other)), better.num_images - 1


def _shared(ours_SU: np.ndarray, theirs_SU: np.ndarray) -> float:
    """Return the variance over U of the differences of two configurations that different seeds have in common."""
    known_U = np.isfinite(ours_SU).all(axis=0) & np.isfinite(theirs_SU).all(axis=0)
    sides = [side_SU[:, known_U].astype(float) for side_SU in (ours_SU, theirs_SU)]
    between = np.cov(sides[0].mean(axis=0), sides[1].mean(axis=0))[0, 1]
    return sum(_of_two_seeds(side_SU) for side_SU in sides) - 2 * float(between)


def _of_two_seeds(side_SU: np.ndarray) -> float:
    """Return the mean covariance over U of two runs with different seeds."""
    num_seeds = len(side_SU)
    of_mean, of_each = side_SU.mean(axis=0).var(ddof=1), side_SU.var(axis=1, ddof=1).mean()
    return float(num_seeds * of_mean - of_each) / (num_seeds - 1)


def _overlap(test_fraction: float | None) -> float:
    """Return the ratio of test to training images where they are drawn anew with each seed, else nothing."""
    return 0.0 if test_fraction is None else test_fraction / (1 - test_fraction)
