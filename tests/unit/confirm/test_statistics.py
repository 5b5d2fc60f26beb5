import numpy as np
import pytest
from scipy import stats

from densenet_sweep.confirm.statistics import Repetitions, difference


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


def test_the_images_add_what_different_seeds_have_in_common():
    generator = np.random.default_rng(0)
    easy = generator.random(400) < 0.8
    ours, theirs = (
        np.where(easy, generator.random((3, 400)) < share, generator.random((3, 400)) < 0.4) for share in (0.99, 0.9)
    )
    found = difference(*(Repetitions(side.mean(axis=1), 400, side) for side in (ours, theirs)))
    covariances = np.cov(np.concatenate([ours, theirs]))  # over images, of each run with each
    within = [covariances[i, j] for of in ((0, 1, 2), (3, 4, 5)) for i in of for j in of if i != j]
    shared = 2 * np.mean(within) - 2 * covariances[:3, 3:].mean()
    of_seeds = [side.mean(axis=1).var(ddof=1) / 3 for side in (ours, theirs)]
    variance = sum(of_seeds) + max(shared, 0) / 400
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    freedom = variance**2 / (sum(it**2 / 2 for it in of_seeds) + (max(shared, 0) / 400) ** 2 / 399)
    assert found.freedom == pytest.approx(freedom)
    assert found.p_value == pytest.approx(2 * stats.t.sf(found.value / found.standard_error, freedom))
    assert found.probability == pytest.approx(stats.t.cdf(found.value / found.standard_error, freedom))
    low, high = stats.t.interval(0.95, freedom, found.value, found.standard_error)
    assert found.half_interval() == pytest.approx((high - low) / 2)


def test_values_on_the_same_resamples_are_compared_by_them():
    """Groups of ten images that are alike: what all runs have in common on a resample cancels, their differences do not."""
    generator = np.random.default_rng(0)
    of_resample, of_ours = generator.normal(0, 0.05, 200), generator.normal(0, 0.01, 200)
    ours, theirs = np.array([0.90, 0.91, 0.92]), np.array([0.88, 0.89, 0.90])

    def runs(values, noise):
        deviations = np.full(3, 0.05)
        return Repetitions(values, 500, deviations_S=deviations, values_SR=values[:, None] + noise, num_drawn=50)

    found = difference(runs(ours, of_resample + of_ours), runs(theirs, of_resample))
    expected = np.sqrt(2 * 0.01**2 / 3 + of_ours.var(ddof=1))
    assert found.standard_error == pytest.approx(expected)
    lacks_a_class = np.where(np.arange(200) < 5, np.nan, of_resample)
    assert difference(runs(ours, of_resample + of_ours), runs(theirs, lacks_a_class)).standard_error == pytest.approx(
        np.sqrt(2 * 0.01**2 / 3 + of_ours[5:].var(ddof=1))
    )


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
