import numpy as np
import pytest
from scipy import stats

from densenet_sweep.confirm import pairs
from densenet_sweep.confirm.statistics import Repetitions, difference

SEEDS = (10, 11, 12, 13, 14)
NOISE = np.array([0.000, 0.002, -0.001, 0.001, -0.002])


def runs(mean: float, noise: np.ndarray = NOISE) -> Repetitions:
    """Runs of so many images that these add nothing."""
    return Repetitions(mean + noise, 10**9, seeds=SEEDS[: len(noise)])


def ended(*numbers: int) -> dict[int, set[int]]:
    return {key: set(SEEDS[:number]) for key, number in enumerate(numbers)}


def test_p_values_are_adjusted_by_holms_method_over_all_pairs():
    sides = {3: runs(0.951), 7: runs(0.953), 5: runs(0.948)}
    found = pairs.compare(sides)
    raw = [
        difference(sides[7], sides[5]).p_value,
        difference(sides[3], sides[5]).p_value,
        difference(sides[7], sides[3]).p_value,
    ]
    assert [(pair.better, pair.other) for pair in found.pairs] == [(7, 5), (3, 5), (7, 3)]
    assert [pair.p_value for pair in found.pairs] == pytest.approx([3 * raw[0], 2 * raw[1], raw[2]])
    assert found.worse == {5}
    assert (found.wanted, {pair.num_seeds for pair in found.pairs}) == ((), {5})
    assert pairs.compare({3: runs(0.95)}) == pairs.Comparison(())


def test_the_looks_share_the_error():
    assert [(look.seeds, round(look.share, 3)) for look in pairs.looks(SEEDS)] == [
        (SEEDS[:3], 0.36), (SEEDS[:4], 0.28), (SEEDS, 0.36),
    ]  # fmt: skip
    assert pairs.looks(SEEDS[:2]) == [pairs.Look(SEEDS[:2], 1.0)]
    assert sum(look.share for look in pairs.looks(range(40))) == pytest.approx(1)


def test_seeds_are_added_to_what_is_not_significantly_worse():
    """The third is dropped after three seeds; the others need all five."""
    sides = {0: runs(0.950), 1: runs(0.953), 2: runs(0.90)}
    looks = pairs.looks(SEEDS)
    assert pairs.compare({}, looks, ended(1, 1, 0)).wanted == ((2, 10), (0, 11), (1, 11), (2, 11), (0, 12), (1, 12), (2, 12))
    first = pairs.compare(sides, looks, ended(3, 3, 3))
    assert (first.worse, first.wanted) == ({2}, ((0, 13), (1, 13)))
    second = pairs.compare(sides, looks, ended(4, 4, 3))
    assert second.wanted == ((0, 14), (1, 14))
    last = pairs.compare(sides, looks, ended(5, 5, 3))
    assert last.wanted == ()
    found = {(pair.better, pair.other): pair for pair in last.pairs}
    assert [pair.num_seeds for pair in found.values()] == [3, 3, 5]
    # Two of three pairs are decided, so the third has all that its look may spend.
    assert found[1, 0].p_value == pytest.approx(difference(sides[1], sides[0]).p_value / 0.36)


def test_it_ends_when_one_is_left():
    looks = pairs.looks(SEEDS)
    decided = pairs.compare({0: runs(0.950), 1: runs(0.97)}, looks, ended(3, 3))
    assert (decided.worse, decided.wanted) == ({0}, ())
    # A finalist all of whose runs but one have failed takes no part, but its pairs count.
    alone = pairs.compare({0: runs(0.950), 1: runs(0.953)}, looks, ended(4, 4, 3))
    assert alone.wanted == ((0, 14), (1, 14))
    assert alone.pairs[0].p_value == pytest.approx(
        min(1, 3 * difference(runs(0.953, NOISE[:4]), runs(0.950, NOISE[:4])).p_value / 0.28)
    )


def outcomes(generator: np.random.Generator, configurations: int, num_images: int) -> np.ndarray:
    """Which images five runs of equally good configurations get right: (configuration, seed, image)."""
    hard = generator.normal(0, 1, num_images)
    of_configuration = generator.normal(0, 0.5, (configurations, 1, num_images))
    of_seed = generator.normal(0, 0.15, (configurations, 5, 1))
    return 1.5 - hard + of_configuration + of_seed + generator.normal(0, 0.5, (configurations, 5, num_images)) > 0


def test_equally_good_ones_are_rarely_called_different_at_any_look():
    """The images alone would be wrong often: they say how good these trainings are, not their configurations."""
    generator = np.random.default_rng(3)
    wrong, of_images = [], []
    for _ in range(200):
        rights = outcomes(generator, 3, 300)
        sides = {key: Repetitions(it.mean(axis=1), 300, it, seeds=SEEDS) for key, it in enumerate(rights)}
        wrong.append(bool(pairs.compare(sides, pairs.looks(SEEDS), ended(5, 5, 5)).worse))
        differences_N = rights[0].mean(axis=0) - rights[1].mean(axis=0)
        of_images.append(stats.ttest_1samp(differences_N, 0).pvalue < 0.05)
    assert np.mean(wrong) <= 0.05
    assert np.mean(of_images) > 0.15
