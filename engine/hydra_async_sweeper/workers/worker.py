"""The worker: pulls trials from the study while there is budget, and runs each as a Hydra job of its own.

A trial has one number, one folder and one final state. It may be run by several workers one after the other: one that was
interrupted or died leaves it in the queue, and the next continues it, in the same folder.
"""

import functools
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, run_job
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, open_dict, read_write

from hydra_async_sweeper.best_config import flat_job_config, is_same
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.events import collect, emit
from hydra_async_sweeper.hydra_private import failed, returned_by
from hydra_async_sweeper.optuna_private import has_begun_all, id_of, next_waiting, storage_of
from hydra_async_sweeper.readable import short_params
from hydra_async_sweeper.scalars import shown
from hydra_async_sweeper.space.search_space import Space
from hydra_async_sweeper.study import build, enumeration, trial_folder
from hydra_async_sweeper.study.budget import Budget, num_finished
from hydra_async_sweeper.study.enqueue import begin, checked
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.ranking import best_first
from hydra_async_sweeper.study.retry import is_full_disk, wait_out
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.study.storage import open_storage, wait_for_storage
from hydra_async_sweeper.trial import FINISHED_BEFORE, REASON, STOPPED_ITSELF, STUDY_ID, TrialLost, running
from hydra_async_sweeper.workers import trial_clock, trial_log
from hydra_async_sweeper.workers.composer import Composer
from hydra_async_sweeper.workers.interruption import Interruption, TrialOvertime
from hydra_async_sweeper.workers.lease import Lease, Limit, Silence, cause_of_overtime, reclaim_dead
from hydra_async_sweeper.workers.optuna_trial import RunningTrial
from hydra_async_sweeper.workers.outcome import outcome_of
from hydra_async_sweeper.workers.trial_files import written

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Settings:
    """The sweep's settings for its workers; pickled to other processes."""

    study_name: str
    storage: str | None
    sweep_dir: Path
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    budget: Budget
    started: float
    lease_seconds: float
    max_retries: int
    trial_timeout: float | None
    custom_search_space: str | None
    trial_files: str
    repeats: bool
    base: Mapping[str, Any]  # the config without any searched value, unresolved, by override path

    def open_study(self) -> "optuna.Study":
        """Return the study, on a storage of its own, as another process or thread needs it."""
        import optuna

        return optuna.load_study(study_name=self.study_name, storage=open_storage(self.storage, self.sweep_dir))


@dataclass(frozen=True)
class Worker:
    """A picklable task function for a Hydra launcher: runs trials of `task_function` until the study's budget is used up."""

    task_function: TaskFunction
    context: HydraContext
    config: DictConfig
    space: Space
    settings: Settings

    def __call__(self, _: DictConfig) -> str:
        """Pull and run trials; return why there are no more. Hydra's job number tells the workers apart.

        Raises:
            KeyboardInterrupt: the user stopped; an unfinished trial is in the queue.
            SweepError: the config files have changed since the study was opened.
        """
        import optuna

        settings = self.settings
        storage = wait_for_storage(settings.storage, settings.sweep_dir)
        composer = Composer(self.context.config_loader, self.config, self.space.fixed)
        self._check_base(composer)
        index = HydraConfig.get().job.num
        sampler: optuna.samplers.BaseSampler | None = None
        silence = Silence()
        with Interruption().watched() as interruption:
            while True:
                interruption.check()
                study = optuna.load_study(study_name=settings.study_name, storage=storage)
                reclaim_dead(
                    study,
                    lease_seconds=settings.lease_seconds,
                    max_retries=settings.max_retries,
                    silence=silence,
                    on_reclaimed=functools.partial(self._emit_end, study),
                )
                reason = settings.budget.reason_to_stop(study, settings.started)
                if reason is not None:
                    return reason
                num_left = settings.budget.num_left(study)
                if num_left <= 0:
                    time.sleep(_POLL_SECONDS)  # a running trial may still fail, and leave its place
                    continue
                sampler = self._equip(study, index, sampler)
                trial = self._next(study, num_left)
                if trial is None:
                    if not state_of(study).running:
                        if settings.repeats and self._refilled(study):
                            continue
                        return "no configuration is left" if settings.repeats else "the sampler has tried every combination"
                    time.sleep(_POLL_SECONDS)  # a running trial may still come back
                    continue
                limit = None if settings.trial_timeout is None else Limit(settings.trial_timeout, interruption.end_task)
                lease = Lease.take(study, id_of(trial), settings.lease_seconds, limit)
                if lease is None:  # it was in the queue by mistake: another worker runs it
                    continue
                try:
                    if settings.budget.admits(study, trial.number):
                        self._run(study, trial, lease, composer, interruption)
                    else:
                        lease.give_back()
                except BaseException as left:
                    if isinstance(left, KeyboardInterrupt) or interruption.raised is not None:
                        lease.give_back()
                    else:
                        with suppress(Exception):  # as if this process had died: the trial's next attempt is due
                            lease.release()
                    raise

    def _check_base(self, composer: Composer) -> None:
        """Refuse config files that were edited since the sweep began: the trials would not be comparable."""
        before, now = self.settings.base, flat_job_config(composer.compose([]), resolve=False)
        for key in sorted(before.keys() | now.keys()):
            if not is_same(before.get(key), now.get(key)):
                raise SweepError(f"{key}: now {now.get(key)}, but {before.get(key)} when the sweep began; start it again")

    def _equip(
        self, study: "optuna.Study", index: int, last: "optuna.samplers.BaseSampler | None"
    ) -> "optuna.samplers.BaseSampler":
        """Set the study's pruner, and a sampler for the next trial, which is returned; `last` is the last trial's.

        If a worker is alone, the sampler's seed derives from the configured one and the number of trials begun: the same
        study gives the same trials again, and a continued one does not repeat its random start. Beside other workers,
        possibly of another command, it is random, so that no two suggest the same.
        """
        from hydra_async_sweeper.study.auto_pruner import sampler_section

        state = state_of(study)
        is_alone = index == 0 and not state.running
        begun = len(state.trials) - (len(state.unfinished) - len(state.running))
        study.pruner = build.pruner(self.settings.pruner, len(study.directions))
        section = enumeration.with_first_seed(study, build.reseeded(self.settings.sampler, begun if is_alone else None))
        sampler: optuna.samplers.BaseSampler = build.sampler(sampler_section(study, section), self.space)
        if last is not None:
            build.reuse_search_space_cache(sampler, last)
        study.sampler = sampler
        enumeration.note_end(study)
        return sampler

    def _next(self, study: "optuna.Study", num_left: int) -> "optuna.Trial | None":
        """Return the next trial of the queue, or one that the sampler suggests.

        For repetitions, and after a sampler has begun every combination, only the queue is left.
        """
        from hydra_async_sweeper.study.promotion import PromotionPruner, promote

        is_exhausted = enumeration.is_exhausted(study)
        if isinstance(study.pruner, PromotionPruner):
            study.pruner.num_left = 1 if is_exhausted else num_left
            promote(study, study.pruner)
        distributions = self.space.distributions()
        if self.settings.repeats or is_exhausted:
            return next_waiting(study, distributions)
        with enumeration.drawing(study):
            if has_begun_all(study):
                return next_waiting(study, distributions)
            trial = study.ask(distributions)
            self.space.suggest_conditional(trial)
            return trial

    def _refilled(self, study: "optuna.Study") -> bool:
        """Add to the empty queue what the application's callbacks return, and return whether there is something to run."""
        with exclusive(storage_of(study), study.study_name) as renew:
            if state_of(study).unfinished:  # another worker was faster
                return True
            arguments = {"study_name": self.settings.study_name, "sweep_dir": str(self.settings.sweep_dir)}
            added = collect(self.context, "on_queue_empty", config=self.config, **arguments)
            has_own = self.settings.custom_search_space is not None
            values = [checked(entry, self.space, takes_others=has_own) for entry in added]
            begin(study, [entry for entry in values if entry is not None], [], renew)
            return bool(state_of(study).unfinished)

    def _run(
        self, study: "optuna.Study", trial: "optuna.Trial", lease: Lease, composer: Composer, interruption: Interruption
    ) -> None:
        """Run one trial to its end.

        Raises:
            KeyboardInterrupt: the user stopped; the caller leaves the trial in the queue.
            BaseException: `interruption.raised`, likewise.
            SweepError: the trial is not this application's to run; it is in the queue.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        from hydra_async_sweeper.study.auto_pruner import AutoPruner, remark
        from hydra_async_sweeper.study.promotion import PromotionPruner

        values, refused = self._all_values(trial)
        before = storage_of(study).get_trial(id_of(trial))
        handle = RunningTrial(study, trial, lease, interruption, before)
        origin = "" if handle.promoted_from is None else f" {handle.takes_up} trial {handle.promoted_from}"
        nth = f" (attempt {lease.attempt + 1})" if lease.attempt else ""
        log.info("trial %d%s%s: %s", trial.number, origin, nth, short_params(values))
        try:
            overrides = self.space.overrides(values)[len(self.space.fixed) :]
            with interruption.in_task(), trial_clock.running():
                returned = refused or self._job(study, trial, composer, overrides, handle, interruption)
            interruption.check_returned(returned)
        except BaseException as left:
            if isinstance(left, KeyboardInterrupt) or interruption.raised is not None:
                raise
            self._end_exited(study, lease, left)
            return
        raised = returned_by(returned)
        if isinstance(raised, SweepError):  # see `Trial.hold_to`
            lease.give_back(refused=True)
            raise raised
        state, result, reason = outcome_of(returned, len(study.directions))
        if state == "PRUNED":
            reason = reason or handle.last_step
        lease.release()
        try:
            handle.check_lease()
            if state == "PRUNED" and not handle.decision and isinstance(study.pruner, PromotionPruner):
                trial.set_user_attr(STOPPED_ITSELF, True)
            if reason is not None:
                trial.set_user_attr(REASON, reason)
            trial.set_user_attr(FINISHED_BEFORE, num_finished(study))
            study.tell(trial, result, state=TrialState[state])
        except (TrialLost, UpdateFinishedTrialError) as lost:
            log.warning("%s; what it does counts", lost)
            return
        trial_log.end(study, storage_of(study).get_trial(id_of(trial)), self.settings.sweep_dir)
        if handle.decision is not None and isinstance(study.pruner, AutoPruner) and (line := remark(study, trial.number)):
            log.info(line)
        self._emit_end(study, trial.number, {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[state], reason)

    def _end_exited(self, study: "optuna.Study", lease: Lease, raised: BaseException) -> None:
        """Count a task's exit, which outside a sweep would end the process, as a death; this worker continues."""
        if not lease.is_held():
            lease.release()
            return
        lease.count_attempt()
        cause = f"its task raised {type(raised).__name__}"
        if isinstance(raised, TrialOvertime):
            cause = cause_of_overtime(raised.seconds)
        if isinstance(raised, SystemExit):
            cause = f"its task called sys.exit({'' if raised.code is None else shown(raised.code)})"
        log.warning("trial %d: %s", lease.number, cause)
        lease.end_attempt(cause, self.settings.max_retries, functools.partial(self._emit_end, study))

    def _all_values(self, trial: "optuna.Trial") -> tuple[dict[str, Any], JobReturn | None]:
        """Return all suggested values, including conditional parameters and those of the user's own function, if that succeeds.

        Otherwise its failure, which is the trial's.
        """
        values = self.space.suggest_conditional(trial)
        if self.settings.custom_search_space is not None:
            try:
                get_method(self.settings.custom_search_space)(self.config, trial)
            except Exception as error:
                return values, failed(error)
            values |= {name: value for name, value in trial.params.items() if name not in self.space.parameters}
        return values, None

    def _job(
        self,
        study: "optuna.Study",
        trial: "optuna.Trial",
        composer: Composer,
        overrides: Sequence[str],
        handle: RunningTrial,
        interruption: Interruption,
    ) -> JobReturn:
        """Compose the trial's config and run it as Hydra runs the jobs of a grid."""
        try:
            config = composer.compose(overrides)
            with read_write(config.hydra), open_dict(config.hydra):
                config.hydra.job.id = str(trial.number)
                config.hydra.job.num = trial.number
                config.hydra.sweep.dir = str(self.settings.sweep_dir)
                config.hydra.sweep.subdir = trial_folder.reserve(study, trial, config)
        except Exception as error:
            return failed(error)

        def run() -> JobReturn:
            trial_folder.note(self.settings.sweep_dir, trial.number, str(config.hydra.sweep.subdir))
            with running(handle), read_write(config.hydra), open_dict(config.hydra), written(config, self.settings.trial_files):
                return run_job(
                    hydra_context=self.context,
                    task_function=self.task_function,
                    config=config,
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )

        def is_passing(error: BaseException) -> bool:
            return is_full_disk(error) and not interruption.is_requested

        try:
            # What the task raises is in the return value; an error here comes from Hydra's own files.
            with chdir(Path.cwd()):  # where the next trial begins, too, if the task changes it
                return wait_out(run, is_passing, "the disk below the sweep's folder")
        except OSError as error:
            return failed(error)

    def _emit_end(self, study: "optuna.Study", number: int, state: str, reason: str | None) -> None:
        emit(
            self.context, "on_trial_end",
            config=self.config, study_name=study.study_name, study_id=study.user_attrs.get(STUDY_ID),
            sweep_dir=str(self.settings.sweep_dir), number=number, state=state, reason=reason, best=best_first(study),
            folders=trial_folder.named(study),
        )  # fmt: skip
