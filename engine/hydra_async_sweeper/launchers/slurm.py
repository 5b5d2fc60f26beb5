"""The outcome of a sweep's jobs, read from Slurm's queue."""

import logging
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

log = logging.getLogger("hydra_async_sweeper")

# Least time between two reads of the queue.
_POLL_SECONDS = 30

# How long `squeue` may take to answer.
_ANSWER_SECONDS = 60

# States that a job does not leave; squeue's manual lists them among JOB STATE CODES.
_ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")

# The state given to a job that the queue has dropped, some minutes after its end.
_FORGOTTEN = "ENDED"


class QueueWatcher(SlurmInfoWatcher):
    """Reports jobs that ended without a result to submitit, from `squeue`, once all of the sweep's jobs have ended.

    submitit calls `sacct`, which is empty where Slurm keeps no accounts, so it would wait forever for a lost job. And a lost
    job does not matter while another one runs its share of the trials.
    """

    def __init__(self) -> None:
        super().__init__(delay_s=_POLL_SECONDS)
        self._was_listed = False

    def jobs(self) -> list[str]:
        """Return the ids of the jobs, an array's once."""
        return sorted({job.partition("_")[0] for job in self._registered}, key=lambda job: (len(job), job))

    def update(self) -> None:
        """Read the queue; without an answer, change nothing.

        For jobs that it never listed, since they are on another cluster, `sacct` is called as before.
        """
        states = _queue()
        self._last_status_check = time.time()
        if states is None:
            return
        listed = [state for job, state in states.items() if job in self._registered]
        self._was_listed = self._was_listed or bool(listed)
        if not self._was_listed:
            super().update()
            return
        if any(state not in _ENDED for state in listed):
            return
        self._info_dict = {job: {"State": states.get(job, _FORGOTTEN)} for job in self._registered}


def _queue() -> dict[str, str] | None:
    """Return the state of each of the user's jobs by its id, an array's elements one by one, or None without an answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split(maxsplit=1) for line in answer.splitlines())


@contextmanager
def queue_watched() -> Iterator[None]:
    """Let submitit read the outcome of the jobs that it submits inside the context from the queue.

    Ctrl-C leaves them there, and says so.
    """
    before, watcher = SlurmJob.watcher, QueueWatcher()
    SlurmJob.watcher = watcher
    try:
        yield
    except KeyboardInterrupt:
        if jobs := watcher.jobs():
            log.warning("Slurm's jobs run on with their trials; this ends them:\n  scancel %s", " ".join(jobs))
        raise
    finally:
        SlurmJob.watcher = before
