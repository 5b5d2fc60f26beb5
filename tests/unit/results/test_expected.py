import itertools
import statistics

import pytest

from densenet_sweep.results.expected import budgets, expected_best

VALUES = [0.5, 0.9, 0.1, 0.7, 0.3, 0.8]


@pytest.mark.parametrize("best", [max, min])
def test_the_expectation_is_the_mean_over_all_subsets(best):
    found = expected_best(VALUES, range(1, 7), is_maximized=best is max)
    for it in found:
        assert it.mean == pytest.approx(statistics.fmean(best(subset) for subset in itertools.combinations(VALUES, it.number)))


@pytest.mark.parametrize("best", [max, min])
def test_the_band_holds_the_middle_of_independent_draws(best):
    [found] = expected_best(VALUES, [3], is_maximized=best is max)
    drawn = sorted(best(draw) for draw in itertools.product(VALUES, repeat=3))
    low, high = drawn[int(0.05 * 216)], drawn[int(0.95 * 216)]
    assert (found.low, found.high) == (low, high)


def test_many_values_are_no_trouble():
    found = expected_best([index / 2000 for index in range(2000)], budgets(2000, 30), is_maximized=True)
    assert found[0].mean == pytest.approx(0.49975)
    assert found[-1].mean == pytest.approx(0.9995)
    assert [it.mean for it in found] == sorted(it.mean for it in found)


@pytest.mark.parametrize(("count", "expected"), [(3, [1, 2, 3]), (100, [1, 5, 22, 100])])
def test_budgets_are_spread_evenly(count, expected):
    assert budgets(count, 4) == expected
