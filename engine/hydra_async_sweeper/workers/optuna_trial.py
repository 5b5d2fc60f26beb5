"""The trial that a task function sees inside a sweep: backed by Optuna, guarded by its worker's lease."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.optuna_private import id_of, storage_of, study_id_of
from hydra_async_sweeper.scalars import reported
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.trial import HELD_TO, NOT_COPIED, PROMOTED, RUNGS, STUDY_ID, TrialLost, check_annotation, passed_step
from hydra_async_sweeper.workers.interruption import Interruption
from hydra_async_sweeper.workers.lease import Lease

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


class RunningTrial:
    """See `hydra_async_sweeper.trial.Trial` for what the methods promise."""

    def __init__(
        self,
        study: "optuna.Study",
        trial: "optuna.Trial",
        lease: Lease,
        interruption: Interruption,
        before: "FrozenTrial",
    ) -> None:
        """`before` is the trial as it stood when this worker took it up."""
        self.number: int | None = trial.number
        self.study_name: str | None = study.study_name
        self.study_id: str | None = study.user_attrs.get(STUDY_ID)
        self.log_scaled = frozenset(
            name for name, distribution in trial.distributions.items() if getattr(distribution, "log", False)
        )
        self.searched = frozenset(trial.distributions)
        promoted = before.user_attrs.get(PROMOTED, {})
        self.promoted_from: int | None = promoted.get("trial")
        self.passed_seconds: float = promoted.get("seconds", 0.0)
        # Milestones are no trainings of their own, so a trial promoted after one begins anew.
        reports = before.intermediate_values if RUNGS in before.user_attrs else {}
        self.passed = {step: value for step, value in reports.items() if step <= passed_step(before)}
        self.annotations: Mapping[str, Any] = dict(before.user_attrs)
        self._study = study
        self._trial = trial
        self._lease = lease
        self._interruption = interruption
        self._reported = set(before.intermediate_values)
        self.decision: bool | None = None  # the pruner's last one; None if the task has not asked for any

    @property
    def is_judged(self) -> bool:
        """Whether there is a pruner, and one objective for it to prune by."""
        from optuna.pruners import NopPruner

        return len(self._study.directions) == 1 and not isinstance(self._study.pruner, NopPruner)

    @property
    def takes_up(self) -> str:
        """What a promoted trial does with the one that stopped: it begins anew, unless that one has passed rungs."""
        return "continues" if self.passed else "promotes"

    @property
    def last_step(self) -> str:
        """The last step that was reported, in words."""
        return f"after step {max(self._reported)}" if self._reported else "before its first report"

    def check_lease(self) -> None:
        """Raise `TrialLost` if another worker has taken the trial over."""
        if not self._lease.is_held():
            raise TrialLost(f"trial {self.number} was taken over by another worker")

    def check_interruption(self) -> None:
        """Raise `KeyboardInterrupt` if the user asked to stop."""
        self._interruption.check()

    def restart(self, step: int) -> None:
        """Allow steps after `step` to be reported again; their values are then replaced, but not those of passed rungs."""
        self._reported = {reported for reported in self._reported if reported <= step or reported in self.passed}

    def report(self, value: float, step: int) -> None:
        """Record `value` after `step`, and stop here if the user asked to.

        Raises:
            TrialLost: another worker has taken the trial over.
            KeyboardInterrupt: the user asked to stop; the trial stays in the queue.
            ValueError: no number, or no whole step.
        """
        self.check_lease()
        number, whole_step = reported(value, step)
        if whole_step not in self._reported:
            self._reported.add(whole_step)
            # Bypasses `Trial.report`, which refuses several objectives; reports are shown even where they cannot prune.
            storage_of(self._study).set_trial_intermediate_value(id_of(self._trial), whole_step, number)
        self.check_interruption()

    def progress(self, done: float) -> None:
        """Write `done` into the lease when that is renewed."""
        self._lease.done = done

    def should_prune(self) -> bool:
        """Return the pruner's decision; False without one."""
        if not self.is_judged:
            return False
        self.decision = bool(self._study.pruner.prune(self._study, storage_of(self._study).get_trial(id_of(self._trial))))
        return self.decision

    def constrain(self, name: str, excess: float) -> None:
        """Record a constraint for the sampler; the first value for a name counts."""
        self.check_lease()
        known = storage_of(self._study).get_trial(id_of(self._trial)).system_attrs
        if f"constraints:{name}" not in known:
            self._trial.set_constraint(name, excess)

    def hold_to(self, key: str, value: str, subject: str) -> None:
        """Keep `value` among the study's user attributes, or refuse it.

        Raises:
            SweepError: the study has another one.
        """
        known = self._study.user_attrs.get(HELD_TO, {})
        if key not in known:
            with exclusive(storage_of(self._study), self._study.study_name):  # another worker may write its own
                known = storage_of(self._study).get_study_user_attrs(study_id_of(self._study)).get(HELD_TO, {})
                if key not in known:
                    known = {**known, key: value}
                    self._study.set_user_attr(HELD_TO, known)
        if known[key] != value:
            raise SweepError(
                f"{subject} {value}, but the study {self.study_name} has {known[key]}; another hydra.sweeper.study_name "
                f"starts a new study beside {self.study_name}, hydra.sweeper.allow_config_change=true mixes the two"
            )

    def annotate(self, key: str, value: object, *, is_copied: bool = True) -> None:
        """Keep `value` among the trial's user attributes.

        Raises:
            ValueError: the key is the engine's own.
        """
        check_annotation(key)
        self.check_lease()
        if not is_copied and f"{NOT_COPIED}{key}" not in self._study.user_attrs:
            self._study.set_user_attr(f"{NOT_COPIED}{key}", True)
        self._trial.set_user_attr(key, value)
