"""Promotion: after a rung nearly all trials stop, and the best of them continue later, each as a new trial.

A finished trial never changes. Its promotion is a new trial with its parameters and reports, so no rung is trained twice: a
rung is a separate training, and only its result is needed.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna

from hydra_async_sweeper.optuna_private import storage_of
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.milestones import Length, Milestones, milestones
from hydra_async_sweeper.study.pruners import BestSharePruner, check_whole
from hydra_async_sweeper.study.rungs import Rung, Rungs
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNG_SECONDS, RUNGS, SECONDS, passed_step

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class PromotionPruner(BestSharePruner):
    """After a rung a trial stops, and is promoted once it is among the best `1 / reduction_factor` judged there.

    Asynchronous successive halving as it was published (Li et al., "A System for Massively Parallel Hyperparameter Tuning",
    MLSys 2020, Algorithm 2). `BestSharePruner` decides at once and for good, so each early trial that is the best so
    far continues; here none does before `reduction_factor` have been judged, except enqueued configurations
    (`hydra.sweeper.enqueue`).
    After later rungs, which few trials reach, the incumbent continues at once.

    A task without rungs is judged at `milestones` of its one training, by the same rule with a factor of its own; a promoted
    trial begins anew there, and is judged at the milestones ahead of it. Nothing is stopped before the length of a training
    is known, so the first trial runs to its end. Evidence: benchmarks/search_regret.py; on LCBench's development tasks the
    regret after ten trainings is 0.46 to 0.57 of TPE's.

    Attributes:
        num_left: how many trials the budget had room for when the present one was requested, including it.
    """

    def __init__(self, reduction_factor: int = 9, at_least: int = 3, milestone_factor: int = 3) -> None:
        """Set after which share of the trials one continues: after a rung, and after a milestone of a task without rungs.

        Args:
            reduction_factor: of so many trials one continues after the first rung.
            at_least: how many trials continue at least: the last ones of the budget are reserved for them.
            milestone_factor: of so many trials that reach a milestone one continues.

        Raises:
            SweepError: a factor is not a whole number of at least 1, or `at_least` not one of at least 0.
        """
        super().__init__(reduction_factor)
        check_whole("at_least", at_least, 0)
        check_whole("milestone_factor", milestone_factor, 1)
        self._at_least = at_least
        self._of_milestones = milestone_factor
        self._judgements: set[tuple[int, int]] = set()  # trials by number, and milestones
        self.num_left = math.inf

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether the trial stops after the rung that it has reached; it may be promoted later."""
        rungs = _rungs([trial])
        if not rungs:
            return self.stops_at_a_milestone(study, trial)
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
        if not steps:
            return self.promotable_after_a_milestone(study)
        for step in reversed(steps):
            rung = index.at(step)
            number = rung.best_stopped
            is_last_chance = step == steps[0] and rung.num_continuing + self.num_left <= self._at_least
            if number is not None and (
                is_last_chance or rung.is_among_the_best(number, self._num_chosen(rung, is_first=step == steps[0]))
            ):
                return state.trials[number]
        return None

    def stops_at_a_milestone(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether a trial without rungs stops at the milestone that it has reached; it is judged there once."""
        state = state_of(study)
        length = state.index(Length)
        steps = milestones(length.reported)
        index = state.index(Milestones, study.direction.name, *steps)
        last = index.reached(max(trial.intermediate_values, default=0))
        judgement = trial.number, last
        if last <= passed_step(trial) or judgement in self._judgements or _is_named_by_the_user(trial):
            return False
        if max(trial.intermediate_values) >= length.reported[-1] or length.num_complete + self.num_left <= self._at_least:
            return False
        self._judgements.add(judgement)
        rung = index.at(last)
        return not rung.is_among_the_best(trial.number, rung.num_judged // self._of_milestones)

    def promotable_after_a_milestone(self, study: "Study") -> "FrozenTrial | None":
        """Return the best that stopped at the last milestone where it is among those that continue; see `promotable`.

        On the last chance of the budget its rank does not count.
        """
        state = state_of(study)
        length = state.index(Length)
        steps = milestones(length.reported)
        index = state.index(Milestones, study.direction.name, *steps)
        is_last_chance = length.num_complete + self.num_left <= self._at_least
        for rung in (index.at(step) for step in reversed(steps)):
            number = rung.best_stopped
            num_chosen = rung.num_judged // self._of_milestones
            if number is not None and (is_last_chance or rung.is_among_the_best(number, num_chosen)):
                return state.trials[number]
        return None

    def _num_chosen(self, rung: "Rung", *, is_first: bool) -> int:
        """Return how many of the best continue."""
        return max(rung.num_judged // self.reduction_factor, 0 if is_first else 1)


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
