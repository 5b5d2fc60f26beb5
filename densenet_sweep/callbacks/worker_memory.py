"""What memory a worker of a sweep takes, so that as many of them start as the machine can hold."""

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from densenet_sweep.config import capacity, composition

# Of a process that trains a tiny network: half a GiB of its own, and libraries' pages. Where they find no room all processes
# wait for the disk, for many minutes, before the system kills one.
_IMPORTED_BYTES = 700 * 2**20


class WorkerMemory(Callback):
    """Estimates it for the engine; see `hydra_async_sweeper.events`."""

    def on_worker_memory(self, config: DictConfig) -> list[int]:
        """Return the bytes of one worker; nothing where the config can only be run with a trial's values."""
        job = config.copy()
        with open_dict(job):
            job.pop("hydra", None)
        try:
            return [_IMPORTED_BYTES + capacity.training_bytes(composition.typed(job))]
        except (ValueError, OmegaConfBaseException):
            return []
