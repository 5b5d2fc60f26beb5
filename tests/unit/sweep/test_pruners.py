import optuna
import pytest

from densenet_sweep.sweep.errors import SweepError
from densenet_sweep.sweep.pruners import TopKAfterOneEpochPruner


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_the_best_k_of_the_first_epochs_go_on(direction, sign):
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


@pytest.mark.parametrize("arguments", [{"k": 0}, {"epoch": 0}])
def test_numbers_below_one_are_refused(arguments):
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.pruner\.(k|epoch)=0: a whole number of at least 1 is accepted"):
        TopKAfterOneEpochPruner(**arguments)
