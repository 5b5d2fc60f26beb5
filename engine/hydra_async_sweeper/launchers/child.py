"""A process of the local launcher: it runs one job, and may be started before the job is known; `local_process` is its program.

Parent and child talk through files whose names begin alike: what is imported first, the job with its script, and what
it returned.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn

from hydra_async_sweeper import script
from hydra_async_sweeper.launchers.child_output import Relay, streams
from hydra_async_sweeper.workers import trial_clock

# The exit code of a process that could not write what its job returned, and has said why; another one would fare no better.
UNWRITTEN = 117

# That of a process whose task raised `KeyboardInterrupt` itself.
INTERRUPTED = 118


@dataclass
class Child:
    """A started process."""

    process: subprocess.Popen[bytes]
    stem: Path
    relay: Relay

    @property
    def clock(self) -> Path:
        """The file that says since when its trial runs."""
        return self.stem.with_suffix(".trial")

    def give(self, job: Any) -> None:
        """Hand over the job that it waits for; if that cannot be pickled, the process ends."""
        try:
            _write_begin(self.stem)  # the path may have changed
            _write(self.stem.with_suffix(".job"), script.dumps(job))
        except BaseException:
            self.end()
            raise

    def returned(self) -> JobReturn | None:
        """Return what its job returned, or None if it died before."""
        result = self.stem.with_suffix(".return")
        return cloudpickle.loads(result.read_bytes()) if result.exists() else None

    def end(self) -> None:
        """Kill it, with what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.relay.finish()


def start(stem: Path, environment: Mapping[str, str], modules: Sequence[str] | None = None) -> Child:
    """Start a process that waits for its job.

    Args:
        stem: of its files' names.
        environment: beside this process's own.
        modules: what a process that starts early imports while it waits; one that fails is left to the job.
    """
    _write_begin(stem, modules or ())
    process = subprocess.Popen(
        [sys.executable, "-m", "hydra_async_sweeper.launchers.local_process", str(stem), str(os.getpid())],
        env={
            **os.environ,
            **environment,
            "PYTHONUNBUFFERED": "1",
            trial_clock.VARIABLE: str(stem.with_suffix(".trial")),
        },
        **streams(is_early=modules is not None),
        start_new_session=True,  # the terminal's Ctrl-C reaches the parent alone, which passes it on once
    )
    return Child(process, stem, Relay(process))


def _write_begin(stem: Path, modules: Sequence[str] = ()) -> None:
    # What a job names is imported from where the application finds it, such as beside its script.
    write(stem.with_suffix(".begin"), (sys.path, tuple(modules)))


def write(path: Path, content: Any) -> None:
    """Write a pickle that is there in full or not at all."""
    _write(path, cloudpickle.dumps(content))


def _write(path: Path, pickled: bytes) -> None:
    part = path.with_suffix(f"{path.suffix}-part")
    part.write_bytes(pickled)
    part.replace(path)
