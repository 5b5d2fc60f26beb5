"""Promotion: after a rung nearly all trials stop, and the best of them continue later, each as a new trial.

A finished trial never changes. Its promotion is a new trial with its parameters and reports, so no rung is trained twice: a
rung is a separate training, and only its result is needed.
"""

import bisect
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna

from hydra_async_sweeper.optuna_private import storage_of
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.pruners import BestSharePruner, check_whole
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNG_SECONDS, RUNGS, SECONDS, passed_step

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class PromotionPruner(BestSharePruner):
    """After a rung a trial stops, and is promoted once it is among the best `1 / reduction_factor` judged there.

    Asynchronous successive halving as it was published (Li et al., "A System for Massively Parallel Hyperparameter Tuning",
    MLSys 2020, Algorithm 2). `BestSharePruner` decides at once and for good, so each of the first trials continues that is the
    incumbent; here none does before `reduction_factor` have been judged, except enqueued configurations
    (`hydra.sweeper.enqueue`).
    After later rungs, which few trials reach, the incumbent continues at once. Without rungs a stopped trial cannot be judged
    against later ones, so the rule is that of `BestSharePruner`.

    Attributes:
        num_left: how many trials the budget had room for when the present one was requested, including it.
    """

    def __init__(self, reduction_factor: int = 9, at_least: int = 3) -> None:
        """Set the reduction factor, and how many trials continue at least: the last ones of the budget are reserved for them.

        Raises:
            SweepError: `reduction_factor` is not a whole number of at least 1, or `at_least` not one of at least 0.
        """
        super().__init__(reduction_factor)
        check_whole("at_least", at_least, 0)
        self._at_least = at_least
        self.num_left = math.inf

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether the trial stops after the rung that it has reached; it may be promoted later."""
        rungs = _rungs([trial])
        if not rungs:
            return super().prune(study, trial)
        step = max(trial.intermediate_values, default=0)
        if step not in rungs or step <= passed_step(trial) or _is_named_by_the_user(trial):
            return False
        rung = state_of(study).index(Rungs, study.direction.name).at(step)
        # Without this trial: those that continue, and those that may still begin.
        if step == rungs[0] and rung.num_continuing - 1 + self.num_left - 1 < self._at_least:
            return False
        return not rung.is_among_the_best(trial.number, self._num_chosen(rung, is_first=step == rungs[0]))

    def promotable(self, study: "Study") -> "FrozenTrial | None":
        """Return the stopped trial to promote now, if there is one: the best after the last rung that has one."""
        state = state_of(study)
        index = state.index(Rungs, study.direction.name)
        steps = sorted(index.steps)
        for step in reversed(steps):
            rung = index.at(step)
            number = rung.best_stopped
            is_last_chance = step == steps[0] and rung.num_continuing + self.num_left <= self._at_least
            if number is not None and (
                is_last_chance or rung.is_among_the_best(number, self._num_chosen(rung, is_first=step == steps[0]))
            ):
                return state.trials[number]
        return None

    def _num_chosen(self, rung: "Rung", *, is_first: bool) -> int:
        """Return how many of the best continue."""
        return max(rung.num_judged // self.reduction_factor, 0 if is_first else 1)


# Orders trials: whether the report is no number, the loss, and the trial's number, so that the earlier one is first on a tie.
Key = tuple[bool, float, int]


class Rung:
    """The trials that trained one rung themselves, best first; and those that stopped there and were not promoted."""

    def __init__(self) -> None:
        self._judged: list[Key] = []
        self._stopped: list[Key] = []
        self._keys: dict[int, Key] = {}

    @property
    def num_judged(self) -> int:
        """How many trained the rung."""
        return len(self._judged)

    @property
    def num_continuing(self) -> int:
        """How many of them did not stop there, or were promoted."""
        return len(self._judged) - len(self._stopped)

    @property
    def best_stopped(self) -> int | None:
        """The number of the best that stopped, if any."""
        return self._stopped[0][2] if self._stopped else None

    def is_among_the_best(self, number: int, count: int) -> bool:
        """Return whether a trial is one of the best `count` that trained the rung."""
        key = self._keys.get(number)
        return key is not None and bisect.bisect_left(self._judged, key) < count

    def judge(self, number: int, key: Key | None) -> None:
        """Set the place of a trial; None if it has not trained the rung."""
        before = self._keys.pop(number, None)
        if before is not None:
            del self._judged[bisect.bisect_left(self._judged, before)]
        if key is not None:
            bisect.insort(self._judged, key)
            self._keys[number] = key

    def stop(self, number: int) -> None:
        """Note that a trial, which was judged, stopped here."""
        bisect.insort(self._stopped, self._keys[number])

    def promote(self, number: int) -> None:
        """Note that a trial was promoted, if it stopped here."""
        key = self._keys.get(number)
        if key in self._stopped:
            self._stopped.remove(key)


class Rungs:
    """The rungs of a study: an index.

    Attributes:
        steps: after which some trial has a rung.
    """

    def __init__(self, direction: str) -> None:
        self.steps: set[int] = set()
        self._sign = -1 if direction == "MAXIMIZE" else 1
        self._rungs: dict[int, Rung] = {}
        self._judged: dict[int, dict[int, float]] = {}  # of unfinished trials, the losses by step
        self._promoted: set[int] = set()

    def at(self, step: int) -> Rung:
        """Return the rung after `step`."""
        return self._rungs.setdefault(step, Rung())

    def update(self, trial: "FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        number, reports = trial.number, trial.intermediate_values
        rungs = trial.user_attrs.get(RUNGS, ())
        self.steps.update(rungs)
        if PROMOTED in trial.user_attrs:
            self._promoted.add(trial.user_attrs[PROMOTED]["trial"])
            self.at(passed_step(trial)).promote(trial.user_attrs[PROMOTED]["trial"])
        passed = passed_step(trial)
        losses = {step: self._sign * reports[step] for step in rungs if step in reports and step > passed}
        before = self._judged.pop(number, {})
        for step in before.keys() | losses.keys():
            if before.get(step) != losses.get(step):
                self.at(step).judge(number, self._key(losses[step], number) if step in losses else None)
        if not trial.state.is_finished():
            self._judged[number] = losses
        elif trial.state == optuna.trial.TrialState.PRUNED and number not in self._promoted:
            last = max(reports, default=0)
            if last in losses:
                self.at(last).stop(number)

    def _key(self, loss: float, number: int) -> Key:
        return (True, 0.0, number) if math.isnan(loss) else (False, loss, number)


def promote(study: "Study", pruner: PromotionPruner) -> None:
    """Enqueue the promotion of the next trial, if there is one; of several workers one does so."""
    if pruner.promotable(study) is None:
        return
    with exclusive(storage_of(study), study.study_name):
        trial = pruner.promotable(study)
        if trial is not None:
            study.add_trial(promotion_of(trial))


def promotion_of(trial: "FrozenTrial") -> "FrozenTrial":
    """Return the promotion of a stopped trial, to be added to its study."""
    known = {key: trial.user_attrs[key] for key in (NUM_STEPS, RUNGS, SECONDS) if key in trial.user_attrs}
    step = max(trial.intermediate_values)
    seconds = trial.user_attrs.get(SECONDS, 0.0)
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        # As `enqueue_trial` does, which takes no reports; and what samplers store with the configuration, such as its grid_id.
        system_attrs={**trial.system_attrs, "fixed_params": trial.params},
        user_attrs={**known, RUNG_SECONDS: seconds, PROMOTED: {"trial": trial.number, "step": step, "seconds": seconds}},
        intermediate_values=trial.intermediate_values,
    )


def _rungs(trials: Sequence["FrozenTrial"]) -> list[int]:
    return sorted({step for trial in trials for step in trial.user_attrs.get(RUNGS, ())})


def _is_named_by_the_user(trial: "FrozenTrial") -> bool:
    return "fixed_params" in trial.system_attrs and PROMOTED not in trial.user_attrs
