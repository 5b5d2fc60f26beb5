"""A launcher for one machine: each job in a process of its own, pinned to its GPU or its share of the cores.

It serves plain grids as well as the sweep engine's workers, and any Hydra application. A slot is refilled as soon as
its job ends. A worker whose process dies is restarted, and its trial is continued through its lease; a grid's job whose
process dies fails. Where the system killed it for lack of memory, one process fewer runs from then on. The first Ctrl-C or
SIGTERM is passed on to the jobs, the second kills them.
"""

import logging
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_async_sweeper.control_groups import available_memory, num_cores
from hydra_async_sweeper.errors import LostProcessError, SweepError
from hydra_async_sweeper.launchers import child, memory_kills
from hydra_async_sweeper.launchers.child import INTERRUPTED, UNWRITTEN, Child
from hydra_async_sweeper.launchers.gpus import visible_gpus
from hydra_async_sweeper.openmp import short_spins
from hydra_async_sweeper.options import MOST_WORKERS
from hydra_async_sweeper.readable import one_line
from hydra_async_sweeper.script import Script, script
from hydra_async_sweeper.sendable import check_sendable
from hydra_async_sweeper.signal_handlers import SAME_REQUEST_SECONDS, installed
from hydra_async_sweeper.workers import trial_clock
from hydra_async_sweeper.workers.interruption import AGAIN_SECONDS
from hydra_async_sweeper.workers.lease import mark_overtime
from hydra_async_sweeper.workers.process_identity import is_gone, machine, process_start
from hydra_async_sweeper.workers.worker import Worker

log = logging.getLogger("hydra_async_sweeper")

_POLL_SECONDS = 0.05

# How long a worker may take to leave at a second Ctrl-C.
_LEAVING_SECONDS = 3.0

# How long a trial whose time is over may take to end by the exception that its worker raises.
_OVERTIME_SECONDS = 3.0

_FOLDER = "hydra-async-sweeper-"


@dataclass(frozen=True)
class Slot:
    """Room for one process: the environment that pins it there."""

    environment: dict[str, str]


@dataclass(frozen=True)
class Job:
    """What a process needs to run one of Hydra's jobs; see `local_process`."""

    task_function: TaskFunction
    context: HydraContext
    config: DictConfig
    overrides: Sequence[str]
    index: int
    singletons: Any
    script: Script


@dataclass
class _Running:
    child: Child
    index: int
    slot: int
    num_deaths: int
    lacked_memory: bool = False  # the reason why its process was killed

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.child.process


@dataclass
class _Launch:
    """The state of one launch."""

    jobs: list[Job]
    slots: list[Slot]
    max_restarts: int
    folder: Path
    early: list[Child]  # one each for the first slots
    pending: deque[tuple[int, int]] = field(default_factory=deque)
    running: list[_Running] = field(default_factory=list)
    returns: dict[int, JobReturn] = field(default_factory=dict)
    num_withdrawn: int = 0  # slots, for lack of memory
    memory_kills: int = field(default_factory=memory_kills.count)
    is_interrupted: bool = False
    interrupted_at: float = -math.inf  # in the time of `time.monotonic`

    def run(self) -> list[JobReturn]:
        self.pending.extend((index, 0) for index in range(len(self.jobs)))
        free = deque(range(len(self.slots)))
        numbers = (signal.SIGINT, signal.SIGTERM)
        with installed(dict.fromkeys(numbers, self._on_signal)):
            try:
                while self.running or (self.pending and not self.is_interrupted):
                    while self.pending and free and not self.is_interrupted:
                        self.running.append(self._start(free.popleft(), *self.pending.popleft()))
                    for ended in self._ended():
                        self.running.remove(ended)
                        if not (ended.lacked_memory and self._withdraws_slot()):
                            free.append(ended.slot)
                        self._collect(ended)
                    self._end_overdue()
                    time.sleep(_POLL_SECONDS)
            finally:
                for number in numbers:  # no further Ctrl-C leaves a process behind; it takes seconds at most
                    signal.signal(number, signal.SIG_IGN)
                self._end_now()
        if self.is_interrupted:
            raise KeyboardInterrupt
        return [self.returns[index] for index in range(len(self.jobs))]

    def _ended(self) -> list[_Running]:
        """Return the running jobs whose processes have ended."""
        ended = [job for job in self.running if job.process.poll() is not None]
        if any(job.process.returncode == -signal.SIGKILL for job in ended):
            before, self.memory_kills = self.memory_kills, memory_kills.count()
            for job in ended:
                job.lacked_memory = job.process.returncode == -signal.SIGKILL and self.memory_kills > before
        return ended

    def _withdraws_slot(self) -> bool:
        """Return whether a slot is withdrawn, which the last one never is, and say why."""
        left = len(self.slots) - self.num_withdrawn - 1
        if left == 0:
            log.warning("the system killed the only process, for lack of memory")
            return False
        self.num_withdrawn += 1
        log.warning("the system killed a process for lack of memory; from now on as with hydra.launcher.num_workers=%d", left)
        return True

    def _end_overdue(self) -> None:
        """Kill the worker whose trial runs too long and did not end by itself: it hangs, perhaps outside of Python."""
        for job in self.running:
            worker = self.jobs[job.index].task_function
            limit = worker.settings.trial_timeout if isinstance(worker, Worker) else None
            seconds = None if limit is None else trial_clock.seconds_running(job.child.clock)
            if isinstance(worker, Worker) and limit is not None and seconds is not None and seconds > limit + _OVERTIME_SECONDS:
                with suppress(Exception):  # the storage is away; then it died, as far as the study shows
                    mark_overtime(worker.settings.open_study(), job.process.pid, limit)
                with suppress(ProcessLookupError):
                    os.killpg(job.process.pid, signal.SIGKILL)  # with what the task has started
                job.process.wait()

    def _end_now(self) -> None:
        """End the running jobs: by a second Ctrl-C, on which a worker puts its trial back into the queue, then by SIGKILL."""
        now = time.monotonic()
        deadline, again = now + _LEAVING_SECONDS, now + AGAIN_SECONDS
        _interrupt(self.running)
        while now < deadline and any(job.process.poll() is None for job in self.running):
            if now > again:
                again = now + AGAIN_SECONDS
                _interrupt([job for job in self.running if isinstance(self.jobs[job.index].task_function, Worker)])
            time.sleep(_POLL_SECONDS)
            now = time.monotonic()
        for job in self.running:
            if job.process.poll() is None:
                job.child.end()
            else:
                job.child.relay.finish()

    def _start(self, slot: int, index: int, num_deaths: int) -> _Running:
        if slot == index and num_deaths == 0 and self.early:
            started = self.early.pop(0)
        else:
            started = child.start(self.folder / f"{index}-{num_deaths}", self.slots[slot].environment)
        started.give(self.jobs[index])
        return _Running(started, index, slot, num_deaths)

    def _collect(self, ended: _Running) -> None:
        ended.child.relay.finish()
        returned = ended.child.returned()
        if returned is not None:
            self.returns[ended.index] = returned
            if isinstance(self.jobs[ended.index].task_function, Worker) and returned.status is JobStatus.COMPLETED:
                while self.pending:  # the sweep has ended; workers that wait for a slot have nothing left to do
                    self.returns[self.pending.popleft()[0]] = returned
        elif self.is_interrupted:
            return
        elif ended.process.returncode == INTERRUPTED:
            log.warning("job %d: its task raised KeyboardInterrupt, which counts as Ctrl-C", self.jobs[ended.index].index)
            self._interrupt()
        elif self._is_restarted(ended):
            self.pending.append((ended.index, ended.num_deaths + 1))
        else:
            error = LostProcessError(f"job {self.jobs[ended.index].index}: its process {_end_of(ended)}")
            self.returns[ended.index] = JobReturn(status=JobStatus.FAILED, _return_value=error)

    def _is_restarted(self, ended: _Running) -> bool:
        is_worker = isinstance(self.jobs[ended.index].task_function, Worker)
        return is_worker and ended.num_deaths < self.max_restarts and ended.process.returncode != UNWRITTEN

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        now = time.monotonic()
        if self.is_interrupted:
            if now < self.interrupted_at + SAME_REQUEST_SECONDS:
                return
            raise KeyboardInterrupt  # the processes are killed on the way out
        self._interrupt()

    def _interrupt(self) -> None:
        self.is_interrupted, self.interrupted_at = True, time.monotonic()
        _interrupt(self.running)


def _end_of(job: _Running) -> str:
    """Return how a process ended, in words."""
    code = job.process.returncode
    if code == UNWRITTEN:
        return "could not write what it returned"
    if code < 0:
        return f"died ({signal.Signals(-code).name}{', for lack of memory' if job.lacked_memory else ''})"
    return f"died (exit code {code})"


def _interrupt(jobs: Sequence[_Running]) -> None:
    for job in jobs:
        with suppress(ProcessLookupError):
            job.process.send_signal(signal.SIGINT)


def launch(
    *,
    task_function: TaskFunction,
    context: HydraContext,
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    initial_job_idx: int,
    slots: list[Slot],
    max_restarts: int,
    early: list[Child],
) -> list[JobReturn]:
    """Run one job for each of `job_overrides`, as many at once as there are `slots`, and return what they returned, in order.

    Processes that were started `early`, one each for the first slots, run the first jobs.

    Raises:
        KeyboardInterrupt: the user stopped; the jobs have ended.
        SweepError: a job cannot be sent to a process, or the temporary files by which that is done cannot be written.
    """
    if not isinstance(task_function, Worker):  # of a sweep, which has checked it
        check_sendable(task_function, context, config)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    shared = (Singleton.get_state(), script())
    jobs = [
        Job(task_function, context, config, tuple(overrides), initial_job_idx + index, *shared)
        for index, overrides in enumerate(job_overrides)
    ]
    try:
        with own_folder() as folder:
            return _Launch(jobs, slots, max_restarts, folder, early).run()
    except OSError as error:  # a job's own is among what the jobs return
        raise SweepError(f"hydra/launcher=local: {one_line(error)}") from error


@contextmanager
def early_processes(slots: Sequence[Slot], modules: Sequence[str], early: list[Child]) -> Iterator[None]:
    """Add to `early` a process for each slot, which imports `modules` and waits for its job; end the ones left at the exit."""
    with own_folder() as folder:
        try:
            for index, slot in enumerate(slots):
                early.append(child.start(folder / str(index), slot.environment, modules))
            yield
        finally:
            while early:
                early.pop().end()


@contextmanager
def own_folder() -> Iterator[Path]:
    """Provide a temporary folder inside the context, and remove those that killed launchers left.

    A folder's name identifies its owner from the start.
    """
    ours = (os.getpid(), process_start(os.getpid()), machine().replace("/", ","))
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{'@'.join(map(str, ours))}@") as folder:
        for left in Path(folder).parent.glob(f"{_FOLDER}*@*@*@*"):
            with suppress(ValueError):  # another program's
                pid, start, where, _ = left.name.removeprefix(_FOLDER).split("@")
                if is_gone(int(pid), float(start), where.replace(",", "/")):
                    shutil.rmtree(left, ignore_errors=True)  # another user's stays
        yield Path(folder)


def slots(*, num_workers: int | None, workers_per_gpu: int, worker_memory: int = 0) -> list[Slot]:
    """Return one slot for each process that may run at once.

    There are `workers_per_gpu` slots per visible GPU, or one per core without GPUs, for which there is memory; `num_workers`
    overrides the count. The cores are divided evenly into threads per process.

    Args:
        num_workers: how many at once, or None for as many as there is room for.
        workers_per_gpu: how many share a GPU; above 1 for nets too small to fill one.
        worker_memory: bytes that a process takes; 0 where that is not known.

    Raises:
        SweepError: a number out of range, or several workers per GPU without a GPU.
    """
    for key, value in (("num_workers", num_workers), ("workers_per_gpu", workers_per_gpu)):
        if value is not None and not 1 <= value <= MOST_WORKERS:
            raise SweepError(f"hydra.launcher.{key}={value}: a whole number from 1 to {MOST_WORKERS:,} is accepted")
    gpus = visible_gpus()
    if workers_per_gpu > 1 and not gpus:
        raise SweepError(f"hydra.launcher.workers_per_gpu={workers_per_gpu}: this machine has no visible GPU; 1 is accepted")
    cores = num_cores()
    count = num_workers or len(gpus) * workers_per_gpu or (_room_for(worker_memory, cores) if worker_memory else cores)
    threads = str(max(1, cores // count))
    pinned = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TERM": "dumb"}  # bars of several would overlap
    pinned |= short_spins(os.environ)
    return [Slot(pinned | ({"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]} if gpus else {})) for index in range(count)]


def _room_for(worker_memory: int, cores: int) -> int:
    """Return how many processes there is memory for, at least one and at most one a core, and say it if that is fewer."""
    available = available_memory()
    count = max(1, min(cores, available // worker_memory))
    if count < cores:
        log.info(
            "of the %.1f GiB of memory a worker takes about %.1f: as with hydra.launcher.num_workers=%d",
            available / 2**30, worker_memory / 2**30, count,
        )  # fmt: skip
    return count
