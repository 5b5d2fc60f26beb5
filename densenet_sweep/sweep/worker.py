"""The worker: pulls trials from the study while there is budget, and runs each as a Hydra job of its own.

A trial has one number, one folder and one final state. It may be run by several workers one after the other: one that was
interrupted or died leaves it in the queue, and the next continues it, in the same folder.
"""

import gc
import logging
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, open_dict

from densenet_sweep.sweep import study as studies
from densenet_sweep.sweep.budget import EXHAUSTED, Budget
from densenet_sweep.sweep.events import emit
from densenet_sweep.sweep.lease import ATTEMPT, Lease, reclaim_dead
from densenet_sweep.sweep.space import Space
from densenet_sweep.sweep.trial import TrialLost, TrialPruned, running

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("densenet_sweep.sweep")

_POLL_SECONDS = 0.5

# The seed of these says which sequence all workers go through together, so it must stay what it is.
_SEED_IS_THE_SEQUENCE = (".GridSampler", ".QMCSampler")


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know of the sweep; travels to other processes."""

    study_name: str
    storage: str | None
    sweep_dir: Path
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]
    budget: Budget
    started: float
    lease_seconds: float
    max_retries: int
    custom_search_space: str | None


class Interruption:
    """Whether the user asked this process to stop: the first Ctrl-C or SIGTERM asks, the second stops at once."""

    def __init__(self) -> None:
        self.is_asked_for = False

    @contextmanager
    def watched(self) -> Iterator["Interruption"]:
        """Listen to signals inside the context; only a process's main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self.is_asked_for:
            raise KeyboardInterrupt
        self.is_asked_for = True
        log.warning("stopping after this epoch; Ctrl-C again stops at once")


class RunningTrial:
    """The trial that a task function sees: backed by Optuna, guarded by this worker's lease."""

    def __init__(self, study: "optuna.Study", trial: "optuna.Trial", lease: Lease, interruption: Interruption) -> None:
        self.number: int | None = trial.number
        self.study_name: str | None = study.study_name
        self._study = study
        self._trial = trial
        self._lease = lease
        self._interruption = interruption
        self._reported = set(study._storage.get_trial(trial._trial_id).intermediate_values)

    def check_lease(self) -> None:
        """Raise `TrialLost` where another worker has taken the trial over."""
        if not self._lease.is_held():
            raise TrialLost(f"trial {self.number} was taken over by another worker")

    def report(self, value: float, step: int) -> None:
        """Record `value` after `step`, and end here where the user asked to stop.

        Raises:
            TrialLost: another worker has taken the trial over.
            KeyboardInterrupt: the user asked to stop; the trial stays in the queue.
        """
        self.check_lease()
        if step not in self._reported:
            self._reported.add(step)
            self._trial.report(value, step)
        if self._interruption.is_asked_for:
            raise KeyboardInterrupt

    def should_prune(self) -> bool:
        """Ask the pruner; with several objectives there is nothing to prune by."""
        return len(self._study.directions) == 1 and self._trial.should_prune()

    def annotate(self, key: str, value: object) -> None:
        """Keep `value` among the trial's user attributes."""
        self.check_lease()
        self._trial.set_user_attr(key, value)


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
        """
        settings = self.settings
        storage = studies.open_storage(settings.storage, settings.sweep_dir)
        with Interruption().watched() as interruption:
            while True:
                if interruption.is_asked_for:
                    raise KeyboardInterrupt
                study = self._study(storage, HydraConfig.get().job.num)
                for number, why in reclaim_dead(study, lease_seconds=settings.lease_seconds, max_retries=settings.max_retries):
                    self._emit_end(number, "failed", why)
                reason = settings.budget.reason_to_stop(study, settings.started)
                if reason is not None:
                    return reason
                if not settings.budget.has_room(study):
                    time.sleep(_POLL_SECONDS)  # a running trial may still fail, and leave its place
                    continue
                trial = study.ask(self.space.distributions())
                if settings.budget.admits(study, trial.number):
                    self._run(study, trial, interruption)
                else:
                    _give_back(study, trial)

    def _study(self, storage: "optuna.storages.BaseStorage", index: int) -> "optuna.Study":
        """Return the study with a sampler for the next trial.

        Its seed follows from the configured one, the number of trials so far and the worker: the same study gives the same
        trials again, a continued one does not repeat its random start, and two workers do not suggest the same.
        """
        import optuna
        from numpy.random import SeedSequence

        study = optuna.load_study(study_name=self.settings.study_name, storage=storage)
        section = dict(self.settings.sampler)
        if section.get("seed") is not None and not str(section["_target_"]).endswith(_SEED_IS_THE_SEQUENCE):
            num_trials = len(study.get_trials(deepcopy=False))
            section["seed"] = int(SeedSequence([int(section["seed"]), num_trials, index]).generate_state(1)[0])
        extra: dict[str, Any] = {}
        if str(section["_target_"]).endswith(".GridSampler"):
            extra["search_space"] = studies.grid(self.space)
        study.sampler = studies.build(section, "hydra.sweeper.sampler", **extra)
        # Samplers that enumerate call this after their last trial; Optuna's own works inside `optimize` only.
        setattr(study, "stop", lambda: study.set_user_attr(EXHAUSTED, True))  # noqa: B010 - a method, to mypy
        study.pruner = studies.build(self.settings.pruner, "hydra.sweeper.pruner")
        return study

    def _run(self, study: "optuna.Study", trial: "optuna.Trial", interruption: Interruption) -> None:
        """Run one trial to its end, or leave it in the queue where the user or the task was interrupted."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        lease = Lease(study, trial._trial_id, self.settings.lease_seconds)
        values = {**trial.params, **self._custom_values(trial)}
        overrides = self.space.overrides({key: values[key] for key in self.space.parameters})
        overrides += [f"{key}={value}" for key, value in values.items() if key not in self.space.parameters]
        handle = RunningTrial(study, trial, lease, interruption)
        attempt = study._storage.get_trial(trial._trial_id).user_attrs.get(ATTEMPT, 0)
        searched = [line for line in overrides if line not in self.space.fixed]
        log.info("trial %d%s: %s", trial.number, f" (attempt {attempt + 1})" if attempt else "", " ".join(searched))
        try:
            state, result, reason = _outcome(self._job(trial.number, overrides, handle), len(study.directions))
        except KeyboardInterrupt:
            lease.release()
            if lease.is_held():
                _give_back(study, trial)
            raise
        lease.release()
        try:
            handle.check_lease()
            if reason is not None:
                trial.set_user_attr("reason", reason)
            study.tell(trial, result, state=TrialState[state])
        except (TrialLost, UpdateFinishedTrialError) as lost:
            log.warning("%s; what it does counts", lost)
            return
        self._log_end(study, trial.number, state, result, reason)
        self._emit_end(trial.number, {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[state], reason)

    def _custom_values(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Return what the user's own `custom_search_space(config, trial)` suggested besides."""
        if self.settings.custom_search_space is None:
            return {}
        get_method(self.settings.custom_search_space)(self.config, trial)
        return dict(trial.params)

    def _job(self, number: int, overrides: Sequence[str], handle: RunningTrial) -> JobReturn:
        """Compose the trial's config and run it as Hydra runs the jobs of a grid."""
        try:
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        except Exception as error:
            return JobReturn(status=JobStatus.FAILED, _return_value=error)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
            config.hydra.sweep.dir = str(self.settings.sweep_dir)
            config.hydra.sweep.subdir = str(number)
        with running(handle):
            return run_job(
                hydra_context=self.context,
                task_function=self.task_function,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )

    def _log_end(self, study: "optuna.Study", number: int, state: str, result: Any, reason: str | None) -> None:
        if state == "FAIL":
            log.warning("trial %d failed: %s", number, reason)
        elif state == "PRUNED":
            log.info("trial %d pruned %s", number, reason or "")
        elif len(study.directions) > 1:
            log.info("trial %d complete: %s", number, result)
        else:
            log.info("trial %d complete: %.6g (best %.6g, trial %d)", number, result, study.best_value, study.best_trial.number)

    def _emit_end(self, number: int, state: str, reason: str | None) -> None:
        emit(
            self.context,
            "on_trial_end",
            config=self.config,
            study_name=self.settings.study_name,
            number=number,
            state=state,
            reason=reason,
        )


def _give_back(study: "optuna.Study", trial: "optuna.Trial") -> None:
    """Put the trial back into the queue, with its number and parameters, for whoever asks next."""
    from optuna.trial import TrialState

    study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)


def _outcome(returned: JobReturn, num_objectives: int) -> tuple[str, Any, str | None]:
    """Return the state, the value and the reason of a trial from what its job returned."""
    value = returned._return_value
    if returned.status is JobStatus.COMPLETED:
        listed = list(value) if isinstance(value, list | tuple) else [value]
        numbers = [float(item) for item in listed if isinstance(item, int | float) and math.isfinite(item)]
        if len(numbers) == len(listed) == num_objectives:
            return "COMPLETE", numbers[0] if num_objectives == 1 else numbers, None
        return "FAIL", None, f"returned {value!r} where {num_objectives} finite numbers are expected"
    if isinstance(value, TrialPruned) or type(value).__name__ == "TrialPruned":
        return "PRUNED", None, str(value)
    reason = f"{type(value).__name__}: {_first_line(value)}"
    if type(value).__name__ == "OutOfMemoryError" or "out of memory" in str(value).lower():
        reason = f"out of memory: {_first_line(value)}"
        # The error's traceback holds the tensors that filled the memory.
        returned._return_value = value = None
        gc.collect()
    return "FAIL", None, reason


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [""])[0]
