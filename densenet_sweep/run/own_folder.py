"""The lock of a run's folder: one command at a time owns it. The operating system drops the lock when the process ends.

A sweep's trials need no lock: the study stores their owner.
"""

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

# The folder that this process claimed last.
_last: list[Path] = []


class OwnFolder(Callback):
    """Claims the folder of a single run before Hydra writes into it."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Claim the folder; raise `Failed` if that is impossible, as Hydra turns other exceptions into warnings."""
        try:
            folder = Path(config.hydra.run.dir)
        except OmegaConfBaseException:  # the path needs values that only a running job has; the job claims it
            return
        try:
            claim(folder)
        except (ConfigError, OSError) as error:
            raise Failed(error) from error


def claim(folder: Path) -> None:
    """Lock `folder` for this process until `release`; on a file system without locks, nothing is locked.

    Raises:
        ConfigError: another process owns it, named with its host; nothing was changed.
        OSError: it cannot be written.
    """
    import fcntl  # Linux and macOS have it; the command refuses Windows

    folder = folder.absolute()
    _last[:] = [folder]
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


def last_claimed() -> Path:
    """Return the folder that this process claimed last: that of the single run which it has trained."""
    [folder] = _last
    return folder


def release() -> None:
    """Release every folder that this process has claimed."""
    while _held:
        folder, lock = _held.popitem()
        with suppress(OSError):
            (folder / _LOCK).unlink()
        os.close(lock)
