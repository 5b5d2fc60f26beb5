"""One job of the local launcher, a process of its own: `python -m hydra_async_sweeper.launchers.local_process JOB RETURN`."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import open_dict

if TYPE_CHECKING:
    from hydra_async_sweeper.launchers.local_launcher import Job

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Run the job in the file JOB and write Hydra's `JobReturn` to the file RETURN."""
    payload, result = map(Path, sys.argv[1:])
    _end_with_the_parent()
    returned = _run(cloudpickle.loads(payload.read_bytes()))
    try:
        content = cloudpickle.dumps(returned)
    except Exception:  # whatever the error held cannot travel; its text can
        value = returned._return_value
        returned._return_value = RuntimeError(f"{type(value).__name__}: {value}")
        content = cloudpickle.dumps(returned)
    part = result.with_suffix(".part")
    part.write_bytes(content)
    part.replace(result)


def _run(job: "Job") -> JobReturn:
    setup_globals()
    Singleton.set_state(job.singletons)
    try:
        config = job.context.config_loader.load_sweep_config(job.config, list(job.overrides))
    except Exception as error:
        return JobReturn(status=JobStatus.FAILED, _return_value=error)
    with open_dict(config):
        config.hydra.job.id = f"{job.config.hydra.job.name}_{job.index}"
        config.hydra.job.num = job.index
    return run_job(
        hydra_context=job.context,
        task_function=job.task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def _end_with_the_parent() -> None:
    """Ask the kernel for the first Ctrl-C when the parent dies, so that a killed command leaves nothing running."""
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        sys.exit("the launcher has gone")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
