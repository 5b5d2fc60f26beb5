import optuna
import pytest
from hydra_async_sweeper.study.rank_correlation import at_pruned_steps, rank_correlation
from optuna.trial import TrialState, create_trial
from scipy.stats import spearmanr


def test_it_is_spearmans_with_ties():
    early, final = [0.1, 0.5, 0.5, 0.9, 0.3, 0.2], [1.0, 3.0, 2.0, 2.0, 5.0, 0.5]
    found = rank_correlation(early, final)
    assert found.rho == pytest.approx(spearmanr(early, final).statistic)
    assert found.low < found.rho < found.high


def test_the_interval_narrows_with_trials_and_a_few_prove_nothing():
    few, many = (rank_correlation(range(num), range(num)) for num in (5, 50))
    assert few.rho == many.rho == pytest.approx(1)
    assert few.low < 0.1 < 0.9 < many.low
    assert rank_correlation(range(4), range(4)) is None
    assert rank_correlation([1.0] * 9, range(9)) is None


def test_its_text_gives_the_interval_and_the_number_of_trials():
    assert str(rank_correlation([1, 2, 3, 4, 5, 6, 7], [1, 3, 2, 5, 4, 7, 6])) == "0.89 (0.1 to 1.0, 7 trials)"


def test_it_is_taken_from_complete_trials_at_the_steps_where_others_stopped():
    def ended(state, reports):
        value = list(reports.values())[-1]
        return create_trial(state=state, value=value, params={}, distributions={}, intermediate_values=reports)

    study = optuna.create_study(direction="maximize")
    for number in range(6):
        study.add_trial(ended(TrialState.COMPLETE, {1: number % 2, 3: number, 9: 2.0 * number}))
        study.add_trial(ended(TrialState.PRUNED, {1: 0.0, 3: 0.5}))
    found = at_pruned_steps(study.trials)
    assert list(found) == [3]
    assert found[3].rho == pytest.approx(1)
    assert found[3].num_trials == 6
