"""Searches of other packages, replayed on the same tasks: their own process decides, the curves and the clock are ours."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.distributions import IntDistribution
from replay import Job, Ledger

from search.peers.lines import Search
from search.task import Task

FOLDER = Path(__file__).parent / "peers"


@dataclass
class Process:
    """A package's search in an environment of its own: `peers/lines.py` is the other end.

    Attributes:
        python: the environment's interpreter.
        script: what it runs.
    """

    python: str
    script: Path
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def begin(self, method: str, task: Task, seed: int) -> Search:
        """Begin a new search; the one before is over.

        Raises:
            RuntimeError: the process has ended; its own message is on standard error.
        """
        space = {
            name: (it.low, it.high, it.log, isinstance(it, IntDistribution)) for name, it in task.space.distributions().items()
        }
        self._call("begin", method, space, task.num_steps, seed)
        return self

    def suggest(self) -> tuple[int, dict[str, Any]]:
        """See `Search`."""
        trial, configuration = self._call("suggest")
        return trial, configuration

    def report(self, trial: int, step: int, value: float) -> str:
        """See `Search`."""
        return str(self._call("report", trial, step, value))

    def close(self) -> None:
        """End the process, if it was begun."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _call(self, *call: Any) -> Any:
        if self._process is None:
            command = [self.python, "-W", "ignore", str(self.script)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self.close()
            raise RuntimeError(f"{self.script.name} has ended")
        return json.loads(answer)


def sweep(search: Search, task: Task, *, resumes: bool = True) -> Callable[[Ledger], Iterator[Job]]:
    """Return the trials of a search, one after the other, as `replay.sweep` does.

    Args:
        search: which decides what is tried, and how long.
        task: its whole trainings; rungs of their own are not trained.
        resumes: a trial that was paused continues after its last step; otherwise it trains its first steps once more.
    """

    def trials(ledger: Ledger) -> Iterator[Job]:
        steps: dict[int, int] = {}  # that a trial has reported
        while True:
            number, configuration = search.suggest()
            yield _trial(search, task, number, configuration, steps, ledger, resumes)

    return trials


def _trial(
    search: Search, task: Task, number: int, configuration: dict[str, Any], steps: dict[int, int], ledger: Ledger, resumes: bool
) -> Job:
    curve = task.curves(configuration)[-1]
    reported = steps.get(number, 0)
    for index in range(reported if resumes else 0, task.num_steps):
        yield curve.seconds[index]
        ledger.epochs += 1
        if index < reported:
            continue
        steps[number] = index + 1
        ledger.report(curve.values[index], curve.values[-1])
        decision = search.report(number, index + 1, curve.values[index])
        if index + 1 == task.num_steps:
            ledger.complete(curve.values[-1])
        elif decision != "continue":
            return
