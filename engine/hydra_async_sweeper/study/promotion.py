"""Trials that go on later: after a rung nearly all stop, and the best of them begin again, each as a trial of its own.

A finished trial stays what it was. What goes on is a new trial with the parameters of the judged one and with what that one
reported, so that no rung is trained twice: a rung is a training by itself, of which nothing is needed but its result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna

from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.pruners import BestSharePruner, check_whole
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNG_SECONDS, RUNGS, SECONDS, passed_step, promoted_numbers

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class PromotionPruner(BestSharePruner):
    """After a rung a trial stops, and is promoted once it is among the best `1 / reduction_factor` judged there.

    Asynchronous successive halving as it was published (Li et al., "A System for Massively Parallel Hyperparameter Tuning",
    MLSys 2020, Algorithm 2). `BestSharePruner` decides at once and for good, so each of the first trials goes on that is the
    best so far; here none does before `reduction_factor` have been judged, but those that the user named
    (`hydra.sweeper.enqueue`).
    After later rungs, to which few come, the best so far goes on at once. Without rungs, by which a stopped trial could be
    judged against later ones, the rule is that of `BestSharePruner`.

    Attributes:
        num_left: how many trials the budget had room for when the present one was asked for, with it.
    """

    def __init__(self, reduction_factor: int = 9, at_least: int = 3) -> None:
        """Take of how many trials one goes on, and how many do at least: the last ones of the budget are kept for them.

        Raises:
            SweepError: `reduction_factor` is no whole number or below 1, or `at_least` is none or below 0.
        """
        super().__init__(reduction_factor)
        check_whole("at_least", at_least, 0)
        self._at_least = at_least
        self.num_left = math.inf

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Tell whether the trial stops after the rung that it has come to; it may be promoted later."""
        rungs = _rungs([trial])
        if not rungs:
            return super().prune(study, trial)
        step = max(trial.intermediate_values, default=0)
        if step not in rungs or step <= passed_step(trial) or _is_named_by_the_user(trial):
            return False
        rung = _Rung.of(study, step)
        # Without this trial: those that go on, and those that may still be begun.
        if step == rungs[0] and rung.num_going_on - 1 + self.num_left - 1 < self._at_least:
            return False
        return trial.number not in {it.number for it in self._chosen(rung, is_first=step == rungs[0])}

    def promotable(self, study: "Study") -> "FrozenTrial | None":
        """Return the stopped trial that is to go on now, if there is one: the best after the last rung that has one."""
        rungs = _rungs(study.get_trials(deepcopy=False))
        for step in reversed(rungs):
            rung = _Rung.of(study, step)
            chosen = {it.number for it in self._chosen(rung, is_first=step == rungs[0])}
            is_last_chance = step == rungs[0] and rung.num_going_on + self.num_left <= self._at_least
            if rung.stopped and (rung.stopped[0].number in chosen or is_last_chance):
                return rung.stopped[0]
        return None

    def _chosen(self, rung: "_Rung", *, is_first: bool) -> Sequence["FrozenTrial"]:
        """Return the trials that may go on by their rank."""
        return rung.judged[: max(len(rung.judged) // self._reduction_factor, 0 if is_first else 1)]


@dataclass(frozen=True)
class _Rung:
    """The trials that trained a rung themselves, the best first and of equal ones the earlier; and those that stopped there."""

    judged: list["FrozenTrial"]
    stopped: list["FrozenTrial"]

    @property
    def num_going_on(self) -> int:
        return len(self.judged) - len(self.stopped)

    @classmethod
    def of(cls, study: "Study", step: int) -> "_Rung":
        sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
        trials = study.get_trials(deepcopy=False)
        judged = [
            trial
            for trial in trials
            if step in trial.user_attrs.get(RUNGS, ()) and step in trial.intermediate_values and step > passed_step(trial)
        ]
        judged.sort(key=lambda trial: (sign * trial.intermediate_values[step], trial.number))
        promoted = promoted_numbers(trials)
        stopped = [
            trial
            for trial in judged
            if trial.state == optuna.trial.TrialState.PRUNED
            and max(trial.intermediate_values) == step
            and trial.number not in promoted
        ]
        return cls(judged, stopped)


def promote(study: "Study", pruner: PromotionPruner) -> None:
    """Put the trial that is to go on, if there is one, into the queue, as a new one; of several workers one does so."""
    if pruner.promotable(study) is None:
        return
    with exclusive(study._storage, study.study_name):
        trial = pruner.promotable(study)
        if trial is not None:
            study.add_trial(going_on_from(trial))


def going_on_from(trial: "FrozenTrial") -> "FrozenTrial":
    """Return the trial that goes on from a stopped one, to be added to its study."""
    known = {key: trial.user_attrs[key] for key in (NUM_STEPS, RUNGS, SECONDS) if key in trial.user_attrs}
    step = max(trial.intermediate_values)
    seconds = trial.user_attrs.get(SECONDS, 0.0)
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING,
        # What `enqueue_trial` does, which takes no reports; and what samplers keep with the configuration, such as its grid_id.
        system_attrs={**trial.system_attrs, "fixed_params": trial.params},
        user_attrs={**known, RUNG_SECONDS: seconds, PROMOTED: {"trial": trial.number, "step": step, "seconds": seconds}},
        intermediate_values=trial.intermediate_values,
    )


def _rungs(trials: Sequence["FrozenTrial"]) -> list[int]:
    return sorted({step for trial in trials for step in trial.user_attrs.get(RUNGS, ())})


def _is_named_by_the_user(trial: "FrozenTrial") -> bool:
    return "fixed_params" in trial.system_attrs and PROMOTED not in trial.user_attrs
