"""Wall time of a sweep and idle time of its workers: ours against hydra-optuna-sweeper, which waits for whole batches.

    python benchmarks/sweep_scheduling.py
    python benchmarks/sweep_scheduling.py --unit 0.1 --their-version 1.4.0rc3

The tasks only sleep, from 1 to 10 units, each length equally often and in the same seeded order by trial number on both sides.
Both run the same application with the same number of workers and Optuna's random sampler: theirs (joblib launcher; Optuna 2.10
for version 1.3.0, 5 for 1.4.0rc3) in a virtual environment of its own, with the study in memory; ours (local launcher) in this
interpreter or `--our-python`, with its usual journal file. The two sides run in turn. Printed are the medians over the rounds,
the median of their ratios, and what the sleeps alone would take: in batches, and where no worker ever waits.
"""

import argparse
import heapq
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LENGTHS = 10  # units of the longest sleep

# Only Hydra and its plugins are pinned, by their version: the dependencies come in the newest version that they accept.
_THEIRS = {
    "1.3.0": ("hydra-core==1.3.2", "hydra-optuna-sweeper==1.3.0", "hydra-joblib-launcher==1.2.0"),
    "1.4.0rc3": ("hydra-core==1.4.0rc3", "hydra-optuna-sweeper==1.4.0rc3", "hydra-joblib-launcher==1.4.0rc3"),
}

APPLICATION = """
import json
import os
import time

import hydra
from hydra.core.hydra_config import HydraConfig

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    start = time.time()
    number = HydraConfig.get().job.num
    with open("seconds.json") as file:
        time.sleep(json.load(file)[number])
    ran = os.open("ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ran, f"{number} {os.getpid()} {start} {time.time()}\\n".encode())
    os.close(ran)
    return config.x

if __name__ == "__main__":
    main()
"""

CONFIG = """
x: 0
hydra: {sweep: {dir: sweep}}
"""


@dataclass(frozen=True)
class Task:
    """One task that has run; times by `time.time`."""

    number: int
    pid: int
    start: float
    end: float


@dataclass(frozen=True)
class Sweep:
    """A sweep that has run.

    Attributes:
        command: seconds of the whole command.
    first: seconds from the command's start to the first task's.
        tasks: seconds from the first task's start to the last task's end.
        idle: share of the workers' time in which they ran no task; see `_idle`.
        gap: median seconds from a task's end to the same worker's next start.
        num_workers: processes that ran a task.
    """

    command: float
    first: float
    tasks: float
    idle: float
    gap: float
    num_workers: int


def main() -> None:
    """Run both sides in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=80, help="of one sweep; a multiple of 10")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--unit", type=float, default=0.5, help="seconds of the shortest sleep")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--their-version", choices=_THEIRS, default="1.3.0")
    parser.add_argument("--our-python", type=Path, default=Path(sys.executable), help="the interpreter that has the engine")
    parser.add_argument("--their-venv", type=Path, help="where theirs is installed, or is to be; a temporary folder by default")
    arguments = parser.parse_args()
    if arguments.trials < 1 or arguments.trials % _LENGTHS:
        parser.error(
            f"--trials {arguments.trials}: a multiple of {_LENGTHS} is accepted, so that all lengths are equally frequent"
        )
    units = list(range(1, _LENGTHS + 1)) * (arguments.trials // _LENGTHS)
    random.Random(0).shuffle(units)
    seconds = [arguments.unit * length for length in units]
    both = ["x=range(0,10)", f"hydra.sweeper.n_trials={arguments.trials}", "hydra.sweeper.study_name=sleeps"]
    both += ["hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=0"]
    theirs = ["hydra/sweeper=optuna", "hydra/launcher=joblib", *both]
    theirs += [f"hydra.sweeper.n_jobs={arguments.workers}", f"hydra.launcher.n_jobs={arguments.workers}"]
    ours = ["hydra/sweeper=async_optuna", "hydra/launcher=local", *both, f"hydra.launcher.num_workers={arguments.workers}"]
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = _installed(arguments.their_venv or folder / "theirs", _THEIRS[arguments.their_version])
        for index in range(arguments.rounds):
            their = _sweep(folder / f"theirs-{index}", python, theirs, seconds)
            our = _sweep(folder / f"ours-{index}", arguments.our_python.absolute(), ours, seconds)
            rounds.append((their, our))
            ratio = our.command / their.command
            print(f"round {index + 1}: theirs {their.command:.2f} s, ours {our.command:.2f} s, ratio {ratio:.3f}", flush=True)
    longest = _LENGTHS * arguments.unit
    print(
        f"{arguments.trials} trials of {arguments.unit:g} to {longest:g} s, {arguments.workers} workers, "
        f"medians of {arguments.rounds}"
    )
    _print_table(rounds, _in_batches(seconds, arguments.workers), _without_gaps(seconds, arguments.workers))


def _installed(folder: Path, theirs: Sequence[str]) -> Path:
    """Install theirs into a virtual environment unless it exists, and return its interpreter."""
    python = (folder / "bin" / "python").absolute()
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *theirs]
    subprocess.run(install, check=True)
    return python


def _sweep(folder: Path, python: Path, overrides: Sequence[str], seconds: Sequence[float]) -> Sweep:
    """Run one command in a new folder and return its times.

    Raises:
        SystemExit: it failed, or did not run each trial exactly once.
    """
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
    (folder / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")
    command = [str(python), "application.py", "-m", *overrides]
    began, began_at = time.monotonic(), time.time()
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    took = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")
    tasks = []
    for line in (folder / "ran.txt").read_text(encoding="utf-8").splitlines():
        number, pid, start, end = line.split()
        tasks.append(Task(int(number), int(pid), float(start), float(end)))
    numbers = sorted(task.number for task in tasks)
    if numbers != list(range(len(seconds))):
        sys.exit(f"{' '.join(command)} ran the trials {numbers}")
    lasted = max(task.end for task in tasks) - min(task.start for task in tasks)
    return Sweep(
        took, min(task.start for task in tasks) - began_at, lasted, _idle(tasks), _gap(tasks), len({task.pid for task in tasks})
    )


def _by_worker(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return the tasks of each process, in the order in which they ran."""
    pids = sorted({task.pid for task in tasks})
    return [sorted((task for task in tasks if task.pid == pid), key=lambda task: task.start) for pid in pids]


def _idle(tasks: Sequence[Task]) -> float:
    """Return the share of time without a task, from each worker's first task until the last trial of all begins.

    Idle time after that is not due to scheduling: no trial is left to run.
    """
    until = max(task.start for task in tasks)
    available = busy = 0.0
    for ran in _by_worker(tasks):
        available += until - ran[0].start
        busy += sum(min(task.end, until) - task.start for task in ran)
    return 1 - busy / available


def _gap(tasks: Sequence[Task]) -> float:
    gaps = [later.start - earlier.end for ran in _by_worker(tasks) for earlier, later in itertools.pairwise(ran)]
    return statistics.median(gaps)


def _in_batches(seconds: Sequence[float], num_workers: int) -> float:
    """Return what the sleeps take in batches, one task per worker, each batch as long as its longest task."""
    return sum(max(seconds[first : first + num_workers]) for first in range(0, len(seconds), num_workers))


def _without_gaps(seconds: Sequence[float], num_workers: int) -> float:
    """Return what the sleeps take if each worker begins the next trial at once."""
    free_at = [0.0] * num_workers
    for length in seconds:
        heapq.heapreplace(free_at, free_at[0] + length)
    return max(free_at)


def _print_table(rounds: Sequence[tuple[Sweep, Sweep]], in_batches: float, without_gaps: float) -> None:
    def print_line(what: str, their: str, our: str, ratio: str = "") -> None:
        print(f"{what:56} {their:>8} {our:>8} {ratio:>7}".rstrip())

    def print_medians(what: str, values: Callable[[Sweep], float], form: str, *, with_ratio: bool = False) -> None:
        pairs = [(values(their), values(our)) for their, our in rounds]
        their, our = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = f"{statistics.median(b / a for a, b in pairs):.3f}" if with_ratio else ""
        print_line(what, format(their, form), format(our, form), ratio)

    print_line("", "theirs", "ours", "ratio")
    print_medians("whole command, start-up included, s", lambda sweep: sweep.command, ".2f", with_ratio=True)
    print_medians("Enter to the first task's first line, s", lambda sweep: sweep.first, ".2f", with_ratio=True)
    print_medians("first task's start to last task's end, s", lambda sweep: sweep.tasks, ".2f", with_ratio=True)
    alone = "the sleeps alone: in batches, without a gap; s"
    print_line(alone, f"{in_batches:.2f}", f"{without_gaps:.2f}", f"{without_gaps / in_batches:.3f}")
    print_medians("idle share of the workers until the last trial begins", lambda sweep: sweep.idle, ".1%")
    print_medians("a task's end to its worker's next start, median, ms", lambda sweep: 1000 * sweep.gap, ".0f")
    print_medians("processes that ran tasks", lambda sweep: sweep.num_workers, ".0f")


if __name__ == "__main__":
    main()
