"""The launcher `hydra/launcher: local`: jobs in processes of their own on this machine, over its GPUs or cores.

A thin shell, and without `from __future__ import annotations`, for the reasons in `sweeper.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """Passes Hydra's arguments to `hydra_async_sweeper.launchers.local_launcher`."""

    def __init__(self, num_workers: int | None, workers_per_gpu: int, max_restarts: int) -> None:
        self._num_workers, self._workers_per_gpu = num_workers, workers_per_gpu
        self.keep_to_memory(0)
        self._max_restarts = max_restarts
        self._early: list[Any] = []

    def keep_to_memory(self, worker_memory: int) -> None:
        """Keep the slots for which there is memory, if a job takes `worker_memory` bytes; 0 keeps all."""
        from hydra_async_sweeper.launchers.local_launcher import slots

        self._slots = slots(num_workers=self._num_workers, workers_per_gpu=self._workers_per_gpu, worker_memory=worker_memory)

    @property
    def num_slots(self) -> int:
        """How many jobs run at once; a sweep launches as many workers."""
        return len(self._slots)

    def early_processes(self, num_jobs: int, modules: Sequence[str]) -> Any:
        """Return a context in which the processes of the first jobs import `modules`, and then wait for `launch`."""
        from hydra_async_sweeper.launchers.local_launcher import early_processes

        return early_processes(self._slots[:num_jobs], modules, self._early)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self._given: dict[str, Any] = {"context": hydra_context, "task_function": task_function, "config": config}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and return what they returned, in order."""
        from hydra_async_sweeper.launchers.local_launcher import launch

        return launch(
            job_overrides=job_overrides,
            initial_job_idx=initial_job_idx,
            slots=self._slots,
            max_restarts=self._max_restarts,
            early=self._early,
            **self._given,
        )


@dataclass
class LocalLauncherConf:
    """`hydra.launcher`."""

    _target_: str = "hydra_plugins.hydra_async_sweeper.launcher.LocalLauncher"
    # processes at once; null: workers_per_gpu on each visible GPU, or without a GPU one per core, if there is memory for them
    num_workers: int | None = None
    # processes that share a GPU
    workers_per_gpu: int = 1
    # how often a sweep's worker is restarted after its process died
    max_restarts: int = 20


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf, provider="hydra_async_sweeper")
