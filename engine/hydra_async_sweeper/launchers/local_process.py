"""One job of the local launcher, a process of its own: `python -m ...launchers.local_process STEM LAUNCHER`; see `child`."""

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from omegaconf import open_dict, read_write

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.hydra_private import failed, returned_by
from hydra_async_sweeper.launchers.child import INTERRUPTED, UNWRITTEN, write
from hydra_async_sweeper.readable import one_line
from hydra_async_sweeper.workers.interruption import StopRequested

if TYPE_CHECKING:
    from hydra_async_sweeper.launchers.local_launcher import Job

# How often a worker checks that its launcher is alive.
_LOOK_SECONDS = 0.5

# How often it looks for its job.
_WAITING_SECONDS = 0.02


def main() -> None:
    """Run the job in STEM.job, which may come later, for process LAUNCHER, and write Hydra's `JobReturn` to STEM.return."""
    stem = Path(sys.argv[1])
    _end_with(launcher=int(sys.argv[2]))
    begin = stem.with_suffix(".begin")
    sys.path[:], modules = _read(begin)
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    payload, result = stem.with_suffix(".job"), stem.with_suffix(".return")
    while not payload.exists():
        time.sleep(_WAITING_SECONDS)
    sys.path[:], _ = _read(begin)
    try:
        job: Job = _read(payload)
        job.script.replace_main()
        setup_globals()
        Singleton.set_state(job.singletons)
        job.script.register()
    except (Exception, SystemExit) as error:  # a module's own; another process would fare no better
        returned = failed(SweepError(f"hydra/launcher=local: a process cannot load its job: {one_line(error)}"))
    else:
        returned = _run(job)
    try:
        _write(result, returned)
    except OSError as error:
        sys.stderr.write(f"hydra/launcher=local: a process cannot write what its job returned: {error}\n")
        sys.exit(UNWRITTEN)


def _write(result: Path, returned: JobReturn) -> None:
    try:
        write(result, returned)
    except OSError:
        raise
    except Exception:  # the error cannot be pickled; its text can
        value = returned_by(returned)
        returned.return_value = RuntimeError(f"{type(value).__name__}: {value}")
        write(result, returned)


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        return cloudpickle.load(file)


def _run(job: "Job") -> JobReturn:
    try:
        config = job.context.config_loader.load_sweep_config(job.config, list(job.overrides))
    except Exception as error:
        return failed(error)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.job.id = f"{job.config.hydra.job.name}_{job.index}"
        config.hydra.job.num = job.index
    return run_job(
        hydra_context=job.context,
        task_function=job.task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def _end_with(launcher: int) -> None:
    """Send this process SIGTERM, its first Ctrl-C, when the launcher dies, so that a killed command leaves nothing running.

    The parent then changes to process 1 or a user's service manager.

    Raises:
        SystemExit: the launcher died while Python started.
    """
    if os.getppid() != launcher:
        sys.exit("the launcher has gone")

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except StopRequested:
        pass
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
