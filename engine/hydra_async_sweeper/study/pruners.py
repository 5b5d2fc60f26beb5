"""Pruners that Optuna lacks: both compare what trials reported after the same step."""

import bisect
import math
from typing import TYPE_CHECKING, Any

import optuna

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.state import state_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class TopKAfterOneEpochPruner(optuna.pruners.BasePruner):
    """Every trial trains one epoch, and the best `k` of them train all epochs.

    Egele et al., "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?" (ESANN 2023), found it hard
    to beat.
    Trials arrive one by one here, so each is compared with those that have reached the epoch so far, and again at each later
    epoch: it is stopped as soon as `k` others are better. So the first `k` always continue for a while, and of n trials in
    random order about k·(1 + ln(n/k)) get beyond the epoch.
    """

    def __init__(self, k: int = 3, epoch: int = 1) -> None:
        """Set how many trials continue, and after which epoch this is decided.

        Raises:
            SweepError: one of them is not a whole number of at least 1.
        """
        check_whole("k", k, 1)
        check_whole("epoch", epoch, 1)
        self._k = k
        self._epoch = epoch

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether `k` other trials were better after the epoch; on a tie the earlier trial is."""
        if self._epoch not in trial.intermediate_values:
            return False
        num_better, _ = _place(study, trial, self._epoch)
        return num_better >= self._k


class BestSharePruner(optuna.pruners.BasePruner):
    """A trial continues if it is among the best `1 / reduction_factor` of all that have been judged at its step.

    The rule of asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020)
    in the form that stops trials, at every reported step, such as the config's `rungs`. Of the first `reduction_factor`
    trials, each continues that is the incumbent.
    """

    def __init__(self, reduction_factor: int = 6) -> None:
        """Set the reduction factor: of how many trials one continues.

        Raises:
            SweepError: it is not a whole number of at least 1.
        """
        check_whole("reduction_factor", reduction_factor, 1)
        self.reduction_factor = reduction_factor

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether too many trials were better after the last step that this one reported."""
        if not trial.intermediate_values:
            return False
        num_better, num_judged = _place(study, trial, max(trial.intermediate_values))
        return num_better >= max(1, num_judged // self.reduction_factor)


def check_whole(name: str, value: Any, least: int) -> None:
    """Refuse an argument of a pruner that is not a whole number of at least `least`.

    Raises:
        SweepError: it is not.
    """
    if not isinstance(value, int) or value < least:
        raise SweepError(f"hydra.sweeper.pruner.{name}={value}: a whole number of at least {least} is accepted")


def _place(study: "Study", trial: "FrozenTrial", step: int) -> tuple[int, int]:
    """Return how many trials were better after `step` than this one (on a tie, earlier ones are), and how many reported it."""
    return state_of(study).index(Reports, study.direction.name, step).place(trial)


class Reports:
    """What the trials reported after one step, best first: an index. A report that is no number is better than none."""

    def __init__(self, direction: str, step: int) -> None:
        self._sign = -1 if direction == "MAXIMIZE" else 1
        self._step = step
        self._losses: dict[int, float] = {}
        self._order: list[tuple[float, int]] = []  # loss and number, of those that are numbers

    def place(self, trial: "FrozenTrial") -> tuple[int, int]:
        """Return how many others were better than `trial`, on a tie earlier ones, and how many reported, including it."""
        loss = self._sign * trial.intermediate_values[self._step]
        stored = self._losses.get(trial.number)
        num_judged = len(self._losses) + (stored is None)
        if math.isnan(loss):
            return 0, num_judged
        is_counted = stored is not None and stored < loss  # the trial itself, as it stood
        return bisect.bisect_left(self._order, (loss, trial.number)) - is_counted, num_judged

    def update(self, trial: "FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        before = self._losses.get(trial.number, math.nan)
        loss = self._sign * trial.intermediate_values.get(self._step, math.nan)
        if self._step in trial.intermediate_values:
            self._losses[trial.number] = loss
        if loss == before:
            return
        if not math.isnan(before):
            del self._order[bisect.bisect_left(self._order, (before, trial.number))]
        if not math.isnan(loss):
            bisect.insort(self._order, (loss, trial.number))
