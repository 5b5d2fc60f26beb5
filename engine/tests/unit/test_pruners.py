import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.pruners import BestSharePruner, TopKAfterOneEpochPruner


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_the_best_k_of_the_first_epochs_continue(direction, sign):
    study = optuna.create_study(direction=direction, pruner=TopKAfterOneEpochPruner(k=2))
    decisions = []
    trials = [study.ask() for _ in range(5)]
    for trial, value in zip(trials, [0.5, 0.4, 0.6, 0.3, 0.5], strict=True):
        trial.report(sign * value, 1)
        decisions.append(trial.should_prune())
    # The first two always, the third displaces the second; the fifth is only equal to the first, which came before it.
    assert decisions == [False, False, False, True, True]
    trials[1].report(sign * 0.9, 2)
    assert trials[1].should_prune()  # its first epoch is third by now, whatever came after
    trials[0].report(sign * 0.1, 2)
    assert not trials[0].should_prune()


def test_nothing_is_decided_before_the_epoch():
    study = optuna.create_study(pruner=TopKAfterOneEpochPruner(k=1, epoch=2))
    first, second = study.ask(), study.ask()
    first.report(0.1, 1)
    second.report(0.2, 1)
    assert not second.should_prune()
    first.report(0.1, 2)
    second.report(0.2, 2)
    assert second.should_prune()


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_one_trial_in_so_many_continues(direction, sign):
    study = optuna.create_study(direction=direction, pruner=BestSharePruner(reduction_factor=3))
    decisions = []
    for value in [0.5, 0.4, 0.6, 0.55, 0.5, 0.58, 0.57]:
        trial = study.ask()
        assert not trial.should_prune()  # nothing was reported
        trial.report(sign * value, 1)
        decisions.append(trial.should_prune())
    # Of three or four the best; of six or seven the two best.
    assert decisions == [False, True, False, True, True, False, True]


def test_each_step_is_a_competition_of_its_own():
    study = optuna.create_study(direction="maximize", pruner=BestSharePruner(reduction_factor=2))
    first, second = study.ask(), study.ask()
    first.report(0.9, 1)
    second.report(0.1, 1)
    assert second.should_prune()
    second.report(0.1, 3)
    assert not second.should_prune()


@pytest.mark.parametrize(
    ("pruner", "arguments"),
    [(TopKAfterOneEpochPruner, {"k": 0}), (TopKAfterOneEpochPruner, {"epoch": 0}), (BestSharePruner, {"reduction_factor": 0})],
)
def test_numbers_below_one_are_refused(pruner, arguments):
    with pytest.raises(
        SweepError, match=r"hydra\.sweeper\.pruner\.(k|epoch|reduction_factor)=0: a whole number of at least 1 is accepted"
    ):
        pruner(**arguments)
