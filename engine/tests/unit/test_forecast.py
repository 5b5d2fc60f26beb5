from hydra_async_sweeper.study.forecast import foresee

PROMOTION = {"_target_": "hydra_async_sweeper.study.promotion.PromotionPruner", "reduction_factor": 9, "at_least": 3}


def steps(pruner, *, n_trials=24, num_enqueued=0, num_objectives=1, num_steps=10, rungs=()):
    found = foresee(
        pruner,
        n_trials=n_trials,
        num_enqueued=num_enqueued,
        num_objectives=num_objectives,
        num_steps=num_steps,
        rungs=rungs,
    )
    assert found.num_complete + found.num_stopped == n_trials
    return found.num_complete, found.num_steps


def test_without_a_pruner_every_trial_is_trained_in_full():
    assert steps({"_target_": "optuna.pruners.NopPruner"}, rungs=[1]) == (24, 240)


def test_with_several_objectives_too():
    assert steps(PROMOTION, num_objectives=2, rungs=[1]) == (24, 240)


def test_promotion_after_a_rung_trains_the_best_in_full_and_no_rung_twice():
    complete, trained = steps(PROMOTION, rungs=[1])
    assert 3 <= complete <= 4
    # A promotion is a trial of its own, and trains no rung; what the budget's end reserves begins and continues as one trial.
    assert 24 + 9 * complete - complete <= trained <= 24 + 10 * complete


def test_what_the_user_names_is_trained_in_full():
    complete, _ = steps(PROMOTION, rungs=[1], num_enqueued=6)
    assert complete >= 6


def test_the_median_pruner_stops_about_half():
    pruner = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 5, "n_warmup_steps": 1}
    complete, trained = steps(pruner, n_trials=40)
    assert 12 <= complete <= 28
    assert trained < 400


def test_milestones_of_one_training():
    complete, trained = steps(PROMOTION, num_steps=9)
    assert 3 <= complete < 24
    assert trained < 24 * 9
