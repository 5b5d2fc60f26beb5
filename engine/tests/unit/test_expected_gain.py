import itertools
import math
import time

import optuna
import pytest
from hydra_async_sweeper.study.budget import Budget
from hydra_async_sweeper.study.expected_gain import Draws, StopWhen
from hydra_async_sweeper.study.promotion import promotion_of
from hydra_async_sweeper.trial import FINISHED_BEFORE, WARM_START
from optuna.trial import FrozenTrial, TrialState, create_trial

PRUNED = None


def draws_of(*values: float | None, direction: str = "MAXIMIZE") -> Draws:
    draws = Draws(direction)
    for number, value in enumerate(values):
        draws.update(drawn(number, value))
    return draws


def drawn(number: int, value: float | None, *, given: bool = False, **attributes) -> FrozenTrial:
    state = TrialState.COMPLETE if value is not PRUNED else TrialState.PRUNED
    system_attrs = {"fixed_params": {}} if given else {}
    trial = create_trial(
        state=state, value=value, user_attrs={FINISHED_BEFORE: number, **attributes}, system_attrs=system_attrs
    )
    trial.number = number
    return trial


def mean_over_orders(values: list[float], num_next: int) -> float:
    """Return the mean over all orders of how much the last ones improved the best value, by trying them all."""
    gains = [max(order) - max(order[:-num_next]) for order in itertools.permutations(values)]
    return sum(gains) / len(gains)


@pytest.mark.parametrize("num_next", [1, 2, 3])
@pytest.mark.parametrize(
    "values",
    [[3.0, 9.0, 1.0, 4.0, 2.0, 7.0], [5.0, 5.0, 1.0, 1.0, 1.0, 5.0], [2.0] * 6, [-1e9, 0.0, 1e-9, 3e-9, -2.0, 0.5, 0.25]],
)
def test_it_is_the_mean_over_all_orders(values, num_next):
    best_first = sorted(values, reverse=True)  # in which order the last ones gained nothing themselves
    wanted = mean_over_orders(values, num_next)
    assert draws_of(*best_first).expected_gain(num_next) == pytest.approx(wanted, rel=1e-9, abs=1e-15)
    assert draws_of(*(-value for value in best_first), direction="MINIMIZE").expected_gain(num_next) == pytest.approx(
        wanted, rel=1e-9, abs=1e-15
    )


def test_what_the_last_draws_gained_counts_at_least():
    early = [float(value) for value in range(10)]
    assert draws_of(*early, 0.0, 0.0, 12.0).expected_gain(3) == 3.0  # of all 13 orders' mean it is less
    assert mean_over_orders([7.0, 8.0, 9.0, 0.0, 0.0, 12.0], 3) < 3.0


def test_the_last_draws_are_judged_beside_the_best_before_them():
    # The last six brought the best value by their second: of a window of six with m = 3 the best is among the last half in half
    # of all orders, and improves on the 5.0 before them by 2.0.
    values = [5.0] + [0.0] * 17 + [1.0, 7.0, 1.0, 1.0, 1.0, 1.0]
    assert draws_of(*values).expected_gain(3) == pytest.approx(1.0)


def test_a_pruned_draw_counts_as_no_better_than_the_worst_complete_one():
    values = [4.0, 2.0, PRUNED, 3.0, PRUNED, PRUNED, PRUNED]
    assert draws_of(*values).expected_gain(3) == pytest.approx(mean_over_orders([4.0, 2.0, 3.0, 2.0, 2.0, 2.0, 2.0], 3))
    assert draws_of(*values).num_complete == 3
    assert draws_of(4.0, 2.0, -math.inf, 3.0, *[PRUNED] * 3).expected_gain(3) == draws_of(*values).expected_gain(3)


def test_nothing_improves_on_an_infinite_value():
    assert draws_of(1.0, math.inf, 2.0, 3.0).expected_gain(1) == 0.0
    assert draws_of(1.0, -math.inf, 2.0, 3.0, direction="MINIMIZE").expected_gain(1) == 0.0


def test_where_nothing_came_before_the_gain_is_unlimited():
    assert draws_of(PRUNED, PRUNED, 1.0, 2.0).expected_gain(2) == math.inf


def test_failed_running_and_waiting_trials_do_not_count():
    draws = draws_of(1.0, 2.0)
    for number, state in enumerate((TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING), 2):
        trial = drawn(number, PRUNED)
        trial.state = state
        draws.update(trial)
    assert (draws.num_drawn, draws.num_complete) == (2, 2)


def test_enqueued_configurations_and_those_of_another_study_are_what_the_draws_improve_on():
    values = [9.0, 1.0, 7.0, 2.0, 3.0, 5.0, 1.0, 1.0]
    draws = draws_of(*values)
    draws.update(drawn(8, 6.0, given=True))
    draws.update(drawn(9, 4.0, **{WARM_START: "other/1"}))
    assert (draws.num_drawn, draws.num_complete) == (8, 8)
    assert draws.expected_gain(2) == pytest.approx(mean_over_orders([max(value, 6.0) for value in values], 2))
    draws.update(drawn(10, 10.0, given=True))
    assert draws.expected_gain(2) == 0.0


def test_a_draw_outside_of_its_constraints_has_no_value():
    draws = draws_of(1.0, 2.0)
    trial = drawn(2, 9.0)
    trial._system_attrs["constraints:memory"] = 1.0
    draws.update(trial)
    assert (draws.num_drawn, draws.num_complete) == (3, 2)


def test_a_promoted_configuration_counts_once_with_the_value_that_it_reached_at_last():
    study = optuna.create_study(direction="maximize")
    for value in (1.0, 2.0, 3.0, 4.0):
        study.add_trial(create_trial(value=value))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.5}))
    for state, value in ((TrialState.PRUNED, None), (TrialState.COMPLETE, 9.0)):  # stopped again, and complete
        study.add_trial(promotion_of(study.trials[-1]))
        promoted = study.ask()
        promoted.report(0.6, 3 + len(study.trials))
        study.tell(promoted, value, state=state)
    draws = Draws("MAXIMIZE")
    for trial in study.trials:
        draws.update(trial)
    assert (draws.num_drawn, draws.num_complete) == (5, 5)
    assert draws.expected_gain(1) == 5.0  # it is the last, from 4 to 9


def reason(values, *, gain=0.002, trials=2, direction="maximize", **limits) -> str | None:
    study = optuna.create_study(direction=direction)
    for value in values:
        state = TrialState.COMPLETE if value is not PRUNED else TrialState.PRUNED
        study.add_trial(create_trial(state=state, value=value))
    return Budget(n_trials=99, stop_when=StopWhen(gain, trials), **limits).reason_to_stop(study, time.time())


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_the_reason_says_what_is_expected_of_how_many_and_from_what(direction, sign):
    values = [sign * value for value in (0.95, 0.94, 0.93, 0.92, 0.91, 0.90)]
    assert reason(values, gain=0.01, direction=direction) == (
        "the next 2 trials are expected to gain 0.004, less than hydra.sweeper.stop_when.gain=0.01 "
        "(estimated from 6 configurations that the sampler drew)"
    )
    assert reason(values, gain=0.004 - 1e-9, direction=direction) is None


def test_what_is_expected_is_never_shown_as_the_limit():
    assert "is expected to gain 0.00199996, less than hydra.sweeper.stop_when.gain=0.002 " in str(
        reason([0.00999980, *[0.0] * 4], trials=1)
    )


@pytest.mark.parametrize(
    ("values", "trials"),
    [([1.0] * 5, 3), ([1.0] * 4, 1), ([1.0] * 4 + [PRUNED] * 9, 1)],
)
def test_it_needs_twice_as_many_draws_and_five_complete_ones(values, trials):
    assert reason(values, trials=trials) is None
    assert reason([*values, 1.0], trials=trials) is not None


def test_a_higher_n_trials_is_no_reason_and_a_lower_one_comes_first():
    assert reason([1.0] * 9, trials=3).startswith("the next 3 trials are expected to gain 0, less")
    assert Budget(n_trials=9, stop_when=StopWhen(1.0, 3)).num_left(optuna.create_study()) == 9
    assert reason([1.0] * 9, trials=3, target=0.5) == "hydra.sweeper.target=0.5 is reached"


def test_ten_thousand_draws_are_exact():
    values = [index / 10_000 for index in range(10_000)]
    values.reverse()
    # Of 10,000 equal steps the best of n - m random draws lies (N + 1) / (n - m + 1) steps apart.
    wanted = (9_999 - (9_990 * 10_001 / 9_991 - 1)) / 10_000
    assert draws_of(*values).expected_gain(10) == pytest.approx(wanted, rel=1e-6)
