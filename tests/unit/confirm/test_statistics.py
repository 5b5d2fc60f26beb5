import numpy as np
import pytest
from scipy import stats

from densenet_sweep.confirm.statistics import Repetitions, difference, indistinguishable


def repetitions(accuracies, *, num_images=10_000, rights=None) -> Repetitions:
    return Repetitions(np.array(accuracies), num_images, rights)


def drawn(generator, accuracy: float, *, seeds: int = 5, num_images: int = 1000) -> Repetitions:
    """Runs whose images are right with this probability, independently."""
    rights = generator.random((seeds, num_images)) < accuracy
    return Repetitions(rights.mean(axis=1), num_images, rights)


def test_the_mean_and_its_interval():
    runs = repetitions([0.90, 0.92, 0.94])
    assert runs.mean == pytest.approx(0.92)
    assert runs.deviation == pytest.approx(0.02)
    low, high = stats.t.interval(0.95, 2, loc=0.92, scale=0.02 / np.sqrt(3))
    assert runs.half_interval() == pytest.approx((high - low) / 2)


def test_without_noise_of_images_it_is_welchs_test():
    one, two = [0.95, 0.951, 0.949, 0.952], [0.94, 0.947, 0.935]
    # Every image counts alike in both, so that images add nothing.
    rights = [np.full((len(side), 10), 1.0) * np.array(side)[:, None] for side in (one, two)]
    found = difference(
        *(repetitions(side, num_images=10, rights=right) for side, right in zip((one, two), rights, strict=True))
    )
    expected = stats.ttest_ind(one, two, equal_var=False)
    assert found.value == pytest.approx(np.mean(one) - np.mean(two))
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_few_images_make_a_difference_uncertain():
    one, two = [0.95, 0.951, 0.949], [0.94, 0.941, 0.939]
    many, few = (difference(repetitions(one, num_images=n), repetitions(two, num_images=n)) for n in (1_000_000, 1_000))
    assert many.p_value < 0.01 < 0.3 < few.p_value
    assert few.standard_error == pytest.approx(np.sqrt((0.95 * 0.05 + 0.94 * 0.06) / 1000), rel=0.01)


def test_the_same_images_wrong_in_both_say_more_than_the_accuracies_alone():
    generator = np.random.default_rng(0)
    hard = generator.random(2000) < 0.08
    one, two = (np.repeat(~hard[None], 5, axis=0) for _ in range(2))
    for seed in range(5):  # the second fails on some easy images besides, others each time
        two[seed, generator.choice(np.flatnonzero(~hard), 30 + seed, replace=False)] = False
        one[seed, generator.choice(np.flatnonzero(~hard), 3 + seed, replace=False)] = False
    paired = difference(*(Repetitions(side.mean(axis=1), 2000, side) for side in (one, two)))
    alone = difference(*(Repetitions(side.mean(axis=1), 2000) for side in (one, two)))
    assert paired.value == pytest.approx(alone.value)
    assert paired.p_value < 1e-6 < 0.05 < alone.p_value


def test_equally_good_ones_are_rarely_told_apart_and_different_ones_mostly():
    generator = np.random.default_rng(1)
    equal = [difference(drawn(generator, 0.9), drawn(generator, 0.9)).p_value < 0.05 for _ in range(300)]
    apart = [difference(drawn(generator, 0.9), drawn(generator, 0.8)).p_value < 0.05 for _ in range(50)]
    assert np.mean(equal) < 0.07
    assert np.mean(apart) > 0.95


def test_identical_runs_do_not_differ():
    assert difference(repetitions([1.0, 1.0]), repetitions([1.0, 1.0])).p_value == 1.0


def test_the_best_is_among_those_that_cannot_be_told_from_it():
    best, behind, equals = indistinguishable(
        [repetitions([0.80, 0.801, 0.799]), repetitions([0.95, 0.951, 0.949]), repetitions([0.9495, 0.9505, 0.9485])]
    )
    assert (best, equals) == (1, [1, 2])
    assert behind[0].value == pytest.approx(0.15)
    assert indistinguishable([repetitions([0.5, 0.6])]) == (0, {}, [0])


def test_on_new_splits_the_paired_differences_count():
    """Test sets of a fifth: the variance is (1/S + 1/4) s², of the differences or of the values."""
    ours, theirs = np.array([0.80, 0.90, 0.70, 0.84]), np.array([0.78, 0.89, 0.66, 0.83])
    one, two = (Repetitions(values, 100, test_fraction=0.2) for values in (ours, theirs))
    found = difference(one, two)
    error = (ours - theirs).std(ddof=1) * np.sqrt(1 / 4 + 1 / 4)
    assert found.value == pytest.approx(0.02)
    assert found.standard_error == pytest.approx(error)
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.02 / error, 3))
    assert one.half_interval() == pytest.approx(stats.t.ppf(0.975, 3) * ours.std(ddof=1) * np.sqrt(0.5))
