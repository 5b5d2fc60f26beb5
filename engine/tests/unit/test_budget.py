import datetime
import time

import optuna
import pytest
from hydra_async_sweeper.study.budget import Budget
from optuna.trial import TrialState, create_trial


def study_of(*states: str, values: list[float] | None = None, direction: str = "maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for index, name in enumerate(states):
        state = TrialState[name]
        value = None if state is not TrialState.COMPLETE else (values or list(range(99)))[index]
        study.add_trial(create_trial(state=state, value=value))
    return study


@pytest.mark.parametrize(
    ("states", "num_left"),
    [([], 3), (["COMPLETE", "PRUNED"], 1), (["COMPLETE", "RUNNING", "PRUNED", "RUNNING"], -1), (["FAIL"] * 9, 3)],
)
def test_finished_and_running_trials_take_from_what_is_left(states, num_left):
    assert Budget(n_trials=3).num_left(study_of(*states)) == num_left


@pytest.mark.parametrize(
    ("states", "number", "admitted"),
    [
        (["COMPLETE", "COMPLETE", "RUNNING"], 2, True),
        (["COMPLETE", "COMPLETE", "RUNNING", "RUNNING"], 3, False),  # the one before it may still finish
        (["COMPLETE", "COMPLETE", "WAITING", "RUNNING"], 3, False),  # so may the one in the queue
        (["COMPLETE", "FAIL", "FAIL", "RUNNING"], 3, True),
        (["RUNNING", "COMPLETE", "COMPLETE"], 0, True),
    ],
)
def test_a_trial_is_admitted_by_its_rank(states, number, admitted):
    assert Budget(n_trials=3).admits(study_of(*states), number) is admitted


@pytest.mark.parametrize(
    ("rate", "states", "stops"),
    [
        (0.5, ["FAIL"] * 2, False),
        (0.5, ["FAIL"] * 3, True),
        (0.5, ["FAIL"] * 3 + ["COMPLETE"] * 3, False),
        (0.5, ["FAIL"] * 4 + ["COMPLETE"] * 3, True),
        (0.0, ["FAIL"], True),
        (1.0, ["FAIL"] * 50, False),
    ],
)
def test_the_failure_rate(rate, states, stops):
    reason = Budget(n_trials=99, max_failure_rate=rate).reason_to_stop(study_of(*states), time.time())
    assert ("failed (" in str(reason)) is stops


def test_where_every_trial_may_fail_as_many_fail_as_may_finish():
    budget = Budget(n_trials=3, max_failure_rate=1.0)
    assert budget.reason_to_stop(study_of("FAIL", "FAIL"), time.time()) is None
    reason = "3 trials failed, as many as may finish (hydra.sweeper.n_trials=3)"
    assert budget.reason_to_stop(study_of(*["FAIL"] * 3), time.time()) == reason
    assert budget.num_left(study_of("FAIL", "FAIL", "COMPLETE")) == 1
    assert budget.admits(study_of("FAIL", "FAIL", "RUNNING"), 2)
    assert not budget.admits(study_of("FAIL", "FAIL", "RUNNING", "RUNNING"), 3)  # the one before it may fail


@pytest.mark.parametrize(
    ("direction", "values", "patience", "stops"),
    [
        ("maximize", [1, 2, 3], 2, False),
        ("maximize", [3, 2, 1], 2, True),
        ("minimize", [3, 2, 1], 2, False),
        ("minimize", [1, 2, 3], 2, True),
        ("maximize", [3, 2], 2, False),
    ],
)
def test_patience_counts_trials_without_improvement(direction, values, patience, stops):
    study = study_of(*["COMPLETE"] * len(values), values=values, direction=direction)
    assert (Budget(n_trials=99, patience=patience).reason_to_stop(study, time.time()) is not None) is stops


def ended(study: optuna.Study, value: float, at: datetime.datetime, **attributes: int) -> None:
    """Add a complete trial that ended at this local time of its host."""
    trial = create_trial(state=TrialState.COMPLETE, value=value, user_attrs=attributes)
    trial.datetime_complete = at
    study.add_trial(trial)


def test_patience_compares_no_clocks_of_hosts_in_different_time_zones():
    study, noon = optuna.create_study(direction="maximize"), datetime.datetime(2026, 1, 1, 12)
    ended(study, 2.0, noon + datetime.timedelta(minutes=20), finished_before=2)
    ended(study, 0.5, noon + datetime.timedelta(hours=9), finished_before=0)
    ended(study, 1.0, noon + datetime.timedelta(minutes=10), finished_before=1)
    assert Budget(n_trials=99, patience=1).reason_to_stop(study, time.time()) is None
    ended(study, 1.5, noon - datetime.timedelta(hours=8), finished_before=3)
    assert Budget(n_trials=99, patience=1).reason_to_stop(study, time.time()) is not None


def test_trials_of_an_older_version_ended_first_and_in_the_order_of_their_clock():
    study, noon = optuna.create_study(direction="maximize"), datetime.datetime(2026, 1, 1, 12)
    ended(study, 3.0, noon - datetime.timedelta(hours=9), finished_before=2)
    ended(study, 2.0, noon)
    ended(study, 1.0, noon - datetime.timedelta(minutes=10))
    assert Budget(n_trials=99, patience=1).reason_to_stop(study, time.time()) is None


@pytest.mark.parametrize(
    ("direction", "target", "stops"), [("maximize", 2, True), ("maximize", 3, False), ("minimize", 0, True)]
)
def test_the_target(direction, target, stops):
    study = study_of("COMPLETE", "COMPLETE", "COMPLETE", direction=direction)
    assert (Budget(n_trials=99, target=target).reason_to_stop(study, time.time()) is not None) is stops


def test_time():
    study = study_of("COMPLETE")
    assert Budget(n_trials=9, timeout=5).reason_to_stop(study, time.time()) is None
    assert "the time is over" in Budget(n_trials=9, timeout=5).reason_to_stop(study, time.time() - 6)


@pytest.mark.parametrize(("n_trials", "reason"), [(1, "1 of 1 trial is finished"), (2, "2 of 2 trials are finished")])
def test_the_reason_to_stop_is_grammatical(n_trials, reason):
    assert Budget(n_trials=n_trials).reason_to_stop(study_of(*["COMPLETE"] * n_trials), started=0.0) == reason


def test_one_failed_trial_is_a_trial():
    study = optuna.create_study()
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    reason = Budget(n_trials=3, max_failure_rate=0).reason_to_stop(study, 0.0)
    assert reason == "1 of 1 trial failed (hydra.sweeper.max_failure_rate=0)"


def test_trials_outside_their_constraints_reach_no_target():
    study = study_of("COMPLETE", values=[0.5])
    for excess in (0.1, 0.2):
        trial = study.ask()
        trial.set_constraint("weights", excess)
        study.tell(trial, 0.99)
    assert Budget(n_trials=99, target=0.95).reason_to_stop(study, time.time()) is None
    assert "brought no improvement" in (Budget(n_trials=99, patience=2).reason_to_stop(study, time.time()) or "")
