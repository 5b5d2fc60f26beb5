"""Launch the workers of a sweep with any Hydra launcher, and again if all of them were lost."""

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from hydra_async_sweeper.best_config import typed_overrides
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.hydra_private import returned_by
from hydra_async_sweeper.launchers import joblib_workers
from hydra_async_sweeper.launchers.poll import SweepEnded, watched
from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.script import WithScript, script
from hydra_async_sweeper.terminal import live_table
from hydra_async_sweeper.workers.worker import Worker

if TYPE_CHECKING:
    import optuna
    from hydra.plugins.launcher import Launcher

log = logging.getLogger("hydra_async_sweeper")

# Launchers by where their workers' output goes: through this process, which may show a table below it; to the terminal by
# other ways; in all other cases into files.
_PRINT_HERE = ("hydra._internal.core_plugins.basic_launcher", "hydra_plugins.hydra_async_sweeper")
_RELAYED = ("hydra_plugins.hydra_joblib_launcher",)
# Those that pickle what other processes run; a third party's may run it in this one.
_SEND = (
    *("hydra_plugins.hydra_async_sweeper", "hydra_plugins.hydra_joblib_launcher"),
    *("hydra_plugins.hydra_ray_launcher", "hydra_plugins.hydra_submitit_launcher"),
)
# The method of a launcher that starts processes before their jobs are known.
_EARLY = "early_processes"
# Its method that leaves as many slots as there is memory for.
_MEMORY = "keep_to_memory"
_SLURM = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


def launch(worker: Worker, config: DictConfig, launcher: "Launcher", n_jobs: int | None, study: "optuna.Study") -> str:
    """Launch as many workers as `launcher` has room for and return why they stopped.

    A launcher that raises (Slurm lost a job, Ray a node) may have lost one worker or all: the others' trials continue and
    count, and new workers are launched as long as trials still end.

    Raises:
        KeyboardInterrupt: the user stopped.
        Exception: what ended the workers, if no trial ended meanwhile.
    """
    settings = worker.settings
    while True:
        before = _num_ended(study)
        try:
            return _launch_once(worker, config, launcher, n_jobs)
        except SweepEnded as ended:
            log.warning("not waiting any longer for workers that were lost or have nothing left to do")
            return str(ended)
        except SweepError:
            raise
        except Exception as error:
            reason = settings.budget.reason_to_stop(study, settings.started)
            if reason is not None:
                return reason
            if _num_ended(study) == before:
                raise
            log.warning("workers were lost (%s); launching new ones", _first_line(error))


def _launch_once(worker: Worker, config: DictConfig, launcher: "Launcher", n_jobs: int | None) -> str:
    settings = worker.settings
    # To the application's callbacks a job is a trial, whose worker calls them; the launcher's jobs are workers.
    quiet = copy.copy(worker.context.callbacks)
    quiet.callbacks = []
    module = type(launcher).__module__
    task_function: Any = joblib_workers.Returning(worker) if module.startswith(_RELAYED) else worker
    given: dict[str, Any] = {
        "hydra_context": replace(worker.context, callbacks=quiet),
        "task_function": task_function if module.startswith(_PRINT_HERE) else WithScript(task_function, script()),
        "config": adapted(config),
    }
    if hasattr(launcher, _EARLY):
        launcher.setup(**given)
    else:
        launcher = Plugins.instance().instantiate_launcher(**given)
    count = min(room(launcher, n_jobs), settings.budget.n_trials)
    overrides = [[*worker.space.fixed, f"hydra.sweep.subdir=.workers/{index}"] for index in range(count)]
    log.info("starting %s", counted(count, "worker"))
    logging.getLogger("hydra_plugins").setLevel(logging.WARNING)  # launchers announce every job
    with ExitStack() as around:
        if f"{module}.{type(launcher).__name__}" == _SLURM:
            from hydra_async_sweeper.launchers.slurm import queue_watched

            around.enter_context(queue_watched())
        if module.startswith(_PRINT_HERE):
            around.enter_context(live_table.shown(settings.open_study, settings.budget.n_trials))
        elif module.startswith(_RELAYED):
            around.enter_context(joblib_workers.interruptible())
        else:
            around.enter_context(
                watched(
                    settings.open_study,
                    settings.budget,
                    started=settings.started,
                    lease_seconds=settings.lease_seconds,
                    sweep_dir=settings.sweep_dir,
                )
            )
        returns = list(launcher.launch(overrides, initial_job_idx=0))
    failures = [returned for returned in returns if returned.status is not JobStatus.COMPLETED]
    if len(failures) == len(returns):
        raise returned_by(failures[0])
    for failure in failures:  # the others have done its share
        log.warning("a worker ended early: %s", _first_line(returned_by(failure)))
    reasons = [str(returned.return_value) for returned in returns if returned.status is JobStatus.COMPLETED]
    if joblib_workers.INTERRUPTED in reasons:
        raise KeyboardInterrupt
    return reasons[0]


@contextmanager
def early(launcher: "Launcher", num_workers: int, modules: Sequence[str]) -> Iterator[None]:
    """Let the first workers start inside the context, where the launcher can: they import `modules` until it launches them."""
    start = getattr(launcher, _EARLY, None)
    with nullcontext() if start is None or not modules else start(num_workers, modules):
        yield


def keep_to_memory(launcher: "Launcher", bytes_of_workers: Sequence[int]) -> None:
    """Let a launcher that can start only as many workers as fit into memory, by what the application says that one takes."""
    keep = getattr(launcher, _MEMORY, None)
    if keep is not None and bytes_of_workers:
        keep(max(bytes_of_workers))


def sends(launcher: "Launcher") -> bool:
    """Return whether a launcher certainly pickles what its workers run."""
    return type(launcher).__module__.startswith(_SEND)


def room(launcher: "Launcher", n_jobs: int | None) -> int:
    """Return how many workers a launcher has room for, unless the user says."""
    if n_jobs is not None:
        return n_jobs
    if type(launcher).__module__.startswith(_RELAYED):
        import joblib

        return int(joblib.effective_n_jobs(getattr(launcher, "joblib", {}).get("n_jobs")))
    return int(getattr(launcher, "num_slots", 1))


def adapted(config: DictConfig) -> DictConfig:
    """Return `config` for a launcher whose jobs are workers: long, quiet, and able to continue what they left.

    Slurm's requeues a job at its time limit only `max_num_timeout` times. Ray's sets an object store of 75 MiB, which breaks
    a connection to a running cluster, and forwards only one of several similar lines. Command-line options are kept.
    """
    master = config.copy()
    typed = [line.lstrip("+").partition("=")[0] for line in typed_overrides(config, "hydra")]
    with read_write(master.hydra), open_dict(master.hydra):  # Hydra 1.4 makes its section read-only before a sweep
        # Launchers announce every job; here a job is only a worker.
        quiet = {name: {"level": "WARNING"} for name in ("hydra", "hydra_plugins")}
        master.hydra.hydra_logging = OmegaConf.merge(master.hydra.hydra_logging or {}, {"loggers": quiet})
        launcher = master.hydra.launcher
        if "max_num_timeout" in launcher and "hydra.launcher.max_num_timeout" not in typed:
            launcher.max_num_timeout = 1000
        if "ray" in launcher and "init" in launcher.ray:
            launcher.ray.init = OmegaConf.merge({"object_store_memory": None, "log_to_driver": False}, launcher.ray.init)
    return master


def _num_ended(study: "optuna.Study") -> int:
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def _first_line(error: object) -> str:
    """Return the first line of `error`'s message; submitit reports a lost job in two."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {others[0]}" if others and others[0].startswith("has not produced any output") else first
