"""Pruners that Optuna lacks: both compare what trials reported after the same step."""

from typing import TYPE_CHECKING

import optuna

from densenet_sweep.sweep.errors import SweepError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class TopKAfterOneEpochPruner(optuna.pruners.BasePruner):
    """One epoch for every trial, and all of them for the best `k` of these first epochs.

    Egele et al., "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?" (ESANN 2023), found it hard
    to beat.
    Trials come one after the other here, so one is compared with those that have reached the epoch so far, and again at each
    later epoch: it is given up as soon as `k` others are better. So the first `k` always go on for a while, and of n trials in
    a random order about k·(1 + ln(n/k)) get beyond the epoch.
    """

    def __init__(self, k: int = 3, epoch: int = 1) -> None:
        """Take the number of trials that go on, and after which epoch this is decided.

        Raises:
            SweepError: one of them is below 1.
        """
        for name, value in (("k", k), ("epoch", epoch)):
            if value < 1:
                raise SweepError(f"hydra.sweeper.pruner.{name}={value}: a whole number of at least 1 is accepted")
        self._k = k
        self._epoch = epoch

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Tell whether `k` other trials were better after the epoch; of equal ones the earlier trial is."""
        if self._epoch not in trial.intermediate_values:
            return False
        num_better, _ = _place(study, trial, self._epoch)
        return num_better >= self._k


class BestSharePruner(optuna.pruners.BasePruner):
    """Whenever a trial is judged, it goes on if it is among the best `1 / one_in` of all that have been judged at that step.

    The rule of asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020)
    in the form that stops trials, at whatever steps are reported: those of the config's `rungs`, say. Of the first `one_in`
    trials, each goes on that is the best so far.
    """

    def __init__(self, one_in: int = 6) -> None:
        """Take of how many trials one goes on.

        Raises:
            SweepError: below 1.
        """
        if one_in < 1:
            raise SweepError(f"hydra.sweeper.pruner.one_in={one_in}: a whole number of at least 1 is accepted")
        self._one_in = one_in

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Tell whether too many were better after the step that the trial has come to."""
        if not trial.intermediate_values:
            return False
        num_better, num_judged = _place(study, trial, max(trial.intermediate_values))
        return num_better >= max(1, num_judged // self._one_in)


def _place(study: "Study", trial: "FrozenTrial", step: int) -> tuple[int, int]:
    """Return how many trials reported better after `step` than this one, an earlier one if equal, and how many reported."""
    sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
    ours = (sign * trial.intermediate_values[step], trial.number)
    others = [
        (sign * other.intermediate_values[step], other.number)
        for other in study.get_trials(deepcopy=False)
        if step in other.intermediate_values and other.number != trial.number
    ]
    return sum(other < ours for other in others), 1 + len(others)
