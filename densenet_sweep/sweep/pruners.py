"""A pruner that Optuna lacks."""

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
        sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
        ours = (sign * trial.intermediate_values[self._epoch], trial.number)
        others = (
            (sign * other.intermediate_values[self._epoch], other.number)
            for other in study.get_trials(deepcopy=False)
            if self._epoch in other.intermediate_values and other.number != trial.number
        )
        return sum(other < ours for other in others) >= self._k
