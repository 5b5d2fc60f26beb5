"""A run's folder belongs to one command at a time, by a lock of the operating system that ends with its process.

The trials of a sweep need none: whose they are is in the study.
"""

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from densenet_sweep.config.errors import Failed
from densenet_sweep.config.schema import ConfigError

_LOCK = ".in_use"

# The locks that this process holds, by folder, as open files.
_held: dict[Path, int] = {}


class OwnFolder(Callback):
    """Claims the folder of a single run before Hydra writes into it."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Claim it; where it is another command's, leave Hydra, which makes a warning of any other exception."""
        try:
            folder = Path(config.hydra.run.dir)
        except OmegaConfBaseException:  # it names what only a running job has; the job claims it
            return
        try:
            claim(folder)
        except (ConfigError, OSError) as error:
            raise Failed(error) from error


def claim(folder: Path) -> None:
    """Make `folder` this process's own until `release`; on a file system without locks, nothing is held.

    Raises:
        ConfigError: it is another's, whose process and host are named; nothing was changed.
        OSError: it cannot be written.
    """
    folder = folder.absolute()
    if folder in _held:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 1000, 0).decode(errors="replace") or "another process"
            os.close(lock)
            raise ConfigError(f"{folder}: {owner} trains there; wait until it has ended, or choose another folder") from None
        except OSError:  # no locks here
            os.close(lock)
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                break
        os.close(lock)  # its owner was about to remove it
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    _held[folder] = lock


def release() -> None:
    """Give back what this process has claimed."""
    while _held:
        folder, lock = _held.popitem()
        with suppress(OSError):
            (folder / _LOCK).unlink()
        os.close(lock)
