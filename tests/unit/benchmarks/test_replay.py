import math

import pytest
from hydra_async_sweeper.space import search_space
from learning_curves import Curve, Grid, Training, append, read
from replay import one_epoch_then_best, run, sweep

NONE = {"_target_": "optuna.pruners.NopPruner"}
RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 0}
SPACE = search_space.read({"x": "range(0,3)"}, [], None)
GOOD, SLOW, DIVERGED = Curve([0.1, 0.9], [1.0, 2.0]), Curve([0.3, 0.4], [5.5, 4.5]), Curve([0.2], [1.0, 1.0])
CURVES = (SLOW, DIVERGED, GOOD)
IN_ORDER = [{"x": 0}, {"x": 1}, {"x": 2}]


def trials(pruner=NONE, enqueue=IN_ORDER):
    return sweep(lambda values: [CURVES[values["x"]]], SPACE, RANDOM, pruner, num_epochs=2, seed=0, enqueue=enqueue)


def test_only_complete_trials_are_handed_out_and_every_epoch_is_counted():
    ledger = run(trials(), num_workers=1, max_epochs=100, enough=0.9)
    assert [(it.epochs, it.seconds, it.value) for it in ledger.improvements] == [(2, 10, 0.4), (6, 15, 0.9)]
    assert ledger.reached(0.4) == (2, 10)
    assert ledger.reached(0.95) == (math.inf, math.inf)
    assert ledger.best_within(5) == 0.4
    assert ledger.best_within(1) == -math.inf


def test_a_pick_is_the_best_after_any_step_and_counts_by_the_end_of_its_training():
    ledger = run(trials(enqueue=[{"x": 0}, {"x": 2}]), num_workers=1, max_epochs=4)
    assert [ledger.pick_within(epochs) for epochs in (0, 1, 3, 4)] == [-math.inf, 0.4, 0.4, 0.9]


def test_workers_run_at_the_same_time():
    ledger = run(trials(), num_workers=2, max_epochs=100, enough=0.9)
    # The second worker fails after two seconds and takes the third trial, which needs three; the first is in its first epoch.
    assert [(it.epochs, it.seconds, it.value) for it in ledger.improvements] == [(4, 5, 0.9)]


def test_a_pruned_trial_ends_where_the_pruner_says_so_and_is_not_handed_out():
    pruner = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 0.25}
    ledger = run(trials(pruner, enqueue=[{"x": 2}, {"x": 0}]), num_workers=1, max_epochs=3)
    assert [(it.epochs, it.value) for it in ledger.improvements] == [(3, 0.4)]


def test_a_rung_is_judged_at_its_end_and_the_training_begins_anew():
    pruner = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 0.25}  # which the first epoch of GOOD is below
    rungs = [Curve([0.2], [1.0]), SLOW, Curve([0.5], [1.0])]
    jobs = sweep(
        lambda values: [rungs[values["x"]], CURVES[values["x"]]], SPACE, RANDOM, pruner, num_epochs=2, seed=0, rungs=[1],
        enqueue=[{"x": 0}, {"x": 2}],
    )  # fmt: skip
    ledger = run(jobs, num_workers=1, max_epochs=4)
    assert [(it.epochs, it.value) for it in ledger.improvements] == [(4, 0.9)]


def test_a_trial_continues_from_another_without_its_rung():
    pruner = {"_target_": "hydra_async_sweeper.study.promotion.PromotionPruner", "reduction_factor": 9, "at_least": 1}
    rungs = iter([Curve([0.2], [1.0]), Curve([], [1.0]), Curve([0.5], [1.0])])
    curves = iter([SLOW, DIVERGED, GOOD])
    known: dict[float, list[Curve]] = {}

    def look_up(values):
        if values["x"] not in known:
            known[values["x"]] = [next(rungs), next(curves)]
        return known[values["x"]]

    searched = search_space.read({"x": "interval(0,1)"}, [], None)
    jobs = sweep(look_up, searched, RANDOM, pruner, num_epochs=2, seed=0, rungs=[1], n_trials=4)
    ledger = run(jobs, num_workers=1, max_epochs=99)
    # Three rungs of one epoch, of which one diverges, and then the two epochs of the best.
    assert [(it.epochs, it.value) for it in ledger.improvements] == [(5, 0.9)]


def test_the_budget_ends_a_sweep():
    assert run(trials(), num_workers=3, max_epochs=50).epochs == 50


@pytest.mark.parametrize(("k", "epochs"), [(1, [4]), (2, [4, 5])])
def test_the_best_of_the_first_epochs_continue_where_they_were(k, epochs):
    jobs = one_epoch_then_best([SLOW, GOOD, DIVERGED], num_first=3, k=k, num_epochs=2, seed=0)
    ledger = run(jobs, num_workers=1, max_epochs=100)
    # By the first epoch the order is slow (0.3), diverged (0.2), good (0.1).
    assert [it.epochs for it in ledger.improvements] == [4]
    assert ledger.epochs == epochs[-1]


def test_one_epoch_then_best_begins_again_with_others():
    jobs = one_epoch_then_best([GOOD, GOOD, SLOW], num_first=1, k=1, num_epochs=2, seed=0)
    assert run(jobs, num_workers=1, max_epochs=100).epochs == 6


def test_the_table_is_read_as_it_was_written(tmp_path):
    table = tmp_path / "curves.csv"
    first, second = Training(4, 10, 0.1, 1e-4, 2), Training(8, 16, 1.0, 1e-2, 2)
    append(table, [(first, GOOD)])
    append(table, [(second, DIVERGED)])
    assert read(table) == {first: GOOD, second: DIVERGED}
    assert read(tmp_path / "nothing") == {}


def test_a_grid_answers_with_its_nearest_configuration_and_its_rungs():
    first, second = Training(4, 10, 0.01, 1e-4, 2), Training(8, 16, 0.1, 1e-4, 2)
    short = Curve([0.3], [1.0])
    table = {first: GOOD, second: DIVERGED, first._replace(epochs=1): short, Training(8, 16, 0.1, 1e-4, 3): SLOW}
    grid = Grid(table, 2)
    assert grid.curves == {first: GOOD, second: DIVERGED}
    assert grid.complete == {first: GOOD}
    assert (grid.finals, grid.best) == ([0.9], 0.9)
    assert grid.nearest([1], (4, 10, 0.015, 1e-4)) == [short, GOOD]
    assert grid.nearest([], (8, 16, 0.2, 1e-3)) == [DIVERGED]
