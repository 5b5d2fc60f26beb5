"""Which of several configurations are better than which, all pairs together, once or again after each further seed.

The error of 5 % is that of all statements about all pairs at all looks: that one of them calls the worse one better.
"""

import itertools
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from densenet_sweep.confirm.statistics import LEVEL, Difference, Repetitions, difference

# Seeds before the first look: Student's t of two runs has almost no power.
_FIRST_LOOK = 3


@dataclass(frozen=True)
class Pair:
    """Two configurations by their keys, `better` with the better mean; p_value is adjusted for all pairs and looks.

    Of equal means the lower key is `better`. `num_seeds` is that of the look at which they were last compared.
    """

    better: int
    other: int
    difference: Difference
    p_value: float
    num_seeds: int

    @property
    def is_decided(self) -> bool:
        """Whether `other` is significantly worse."""
        return self.p_value <= LEVEL


@dataclass(frozen=True)
class Look:
    """A comparison after all `seeds`, which may spend `share` of the error."""

    seeds: Sequence[int]
    share: float


@dataclass(frozen=True)
class Comparison:
    """All pairs, and the runs (configuration and seed) that the next look needs; none once it is decided."""

    pairs: tuple[Pair, ...]
    wanted: tuple[tuple[int, int], ...] = ()

    @property
    def worse(self) -> set[int]:
        """The configurations that are significantly worse than another."""
        return {pair.other for pair in self.pairs if pair.is_decided}


def looks(seeds: Sequence[int]) -> list[Look]:
    """Return the looks of a comparison that may stop before all `seeds` have run: after the first three and each further one.

    The error that the looks up to S of N seeds may spend is (S/N)^2 of it, so that later ones, whose t has more degrees of
    freedom, have more (the power family of Kim and DeMets, "Design and analysis of group sequential tests based on the type I
    error spending rate function", 1987). The shares add up to one, so by Bonferroni's inequality the error holds however the
    looks depend on one another, as those on one test set do.
    """
    number = len(seeds)
    sizes = range(min(_FIRST_LOOK, number), number + 1)
    spent = [(size / number) ** 2 for size in sizes]
    return [Look(seeds[:size], now - before) for size, before, now in zip(sizes, [0.0, *spent], spent, strict=False)]


def compare(
    runs: Mapping[int, Repetitions],
    looks: Sequence[Look] = (),
    ended: Mapping[int, Set[int]] | None = None,
) -> Comparison:
    """Compare each configuration with each other one.

    The p-values of one look are adjusted by Holm's method over all pairs, and divided by the look's share of the error. A
    decision stays, and passes its part of the error to the pairs that are open, also at later looks (Maurer and Bretz,
    "Multiple testing in group sequential trials using graphical approaches", 2013). What is worse than another is not
    compared any more, but its open pairs still count.

    Args:
        runs: of each configuration, at least two.
        looks: in order; none compares all runs at once.
        ended: the seeds whose runs have ended, well or not, by configuration; with `looks`.
    """
    if not looks or ended is None:
        return Comparison(tuple(_at(runs, {}, math.comb(len(runs), 2), 1.0).values()))
    found: dict[frozenset[int], Pair] = {}
    left = set(ended)
    for look in looks:
        in_order = [key for key in ended if key in left]
        wanted = [(key, seed) for seed in look.seeds for key in in_order if seed not in ended[key]]
        if wanted:
            return Comparison(tuple(found.values()), tuple(wanted))
        sides = {key: runs[key].of_seeds(look.seeds) for key in in_order if key in runs}
        if any(side.test_fraction is not None for side in sides.values()):  # each seed has its own test images
            common = set.intersection(*(set(side.seeds) for side in sides.values()))
            sides = {key: side.of_seeds(common) for key, side in sides.items()}
        sides = {key: side for key, side in sides.items() if len(side.seeds) > 1}
        found |= _at(sides, found, math.comb(len(ended), 2), look.share)
        left = set(sides) - Comparison(tuple(found.values())).worse
        if len(left) < 2:
            break
    return Comparison(tuple(found.values()))


def _at(
    sides: Mapping[int, Repetitions], before: Mapping[frozenset[int], Pair], num_pairs: int, share: float
) -> dict[frozenset[int], Pair]:
    """Return the pairs of one look; `num_pairs` are all, `before` those of earlier looks."""
    num_open = num_pairs - sum(pair.is_decided for pair in before.values())
    found = sorted((_pair(sides, *keys) for keys in itertools.combinations(sides, 2)), key=lambda pair: pair.difference.p_value)
    adjusted: dict[frozenset[int], Pair] = {}
    largest = 0.0
    for index, pair in enumerate(found):
        largest = max(largest, min(1.0, pair.difference.p_value / share * (num_open - index)))
        adjusted[frozenset((pair.better, pair.other))] = replace(pair, p_value=largest)
    return adjusted


def _pair(sides: Mapping[int, Repetitions], one: int, two: int) -> Pair:
    better, other = sorted((one, two), key=lambda key: (-sides[key].oriented_mean, key))
    num_seeds = min(len(sides[key].values_S) for key in (one, two))
    return Pair(better, other, difference(sides[better], sides[other]), 1.0, num_seeds)
