"""A study that lives long: 5,000 trials of a task that takes no time, over 12 starts of the command, with four workers.

    python benchmarks/soak.py
    python benchmarks/soak.py --trials 500 --starts 4     # a short form
    python benchmarks/soak.py --folder F                  # continues in F where it was stopped

Within each start something happens at a random moment: a worker is killed, all processes are frozen for longer than a lease, or
MLflow's database is locked by somebody else for some seconds. Each start but the last ends by a kill of the command, of all
processes, or by Ctrl-C. In the end nothing may be lost, left open, recorded twice or still running (`random_kills.py` has the
checks); ends with exit code 1 otherwise. A line is printed for each start:

    trials      finished so far
    s           from the first trial that finished in this start to the last
    cpu ms      processor time of all processes a trial, without starting and without processes that came or died in between
    worker MB   the largest unique memory (USS) of a worker, soon after the start and at its end
    files       the largest number of file handles of a worker, at the same two moments
    journal, snapshot, sweep, mlflow   sizes on the disk in MB: study.journal, what is beside it for it, the sweep's whole
                folder, mlflow.db
    load        of the machine, mean of the last minute: other work makes everything slower
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "integration"))
import random_kills
from random_kills import Sweep

_NUM_WORKERS = 4
_LEASE_SECONDS = 10.0
_OVERRIDES = ("seconds=0", "++steps=1", f"hydra.sweeper.lease_seconds={_LEASE_SECONDS:g}", "hydra.sweeper.max_retries=20")
_MIDST = ("worker", "freeze", "lock")
_ENDS = ("command", "all", "ctrl-c", "ctrl-c twice")
_COLUMNS = ("start", "trials", "s", "cpu ms", "worker MB", "files", "journal", "snapshot", "sweep", "mlflow", "load", "faults")


@dataclass
class Sample:
    """What the processes of a sweep use at one moment; by process id."""

    trials: int
    at: float = field(default_factory=time.monotonic)
    computed: dict[int, float] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)

    @classmethod
    def take(cls, sweep: Sweep, trials: int, command: int) -> "Sample":
        """Return the sample of now; memory and files are the workers' alone."""
        sample = cls(trials)
        for process in sweep.processes():
            try:
                times = process.cpu_times()
                sample.computed[process.pid] = times.user + times.system
                if process.pid != command:
                    sample.memory[process.pid] = process.memory_full_info().uss
                    sample.files[process.pid] = process.num_fds()
            except psutil.Error:  # it has ended
                continue
        return sample


class Finished:
    """Counts finished trials in a journal that grows."""

    def __init__(self, journal: Path) -> None:
        self.journal, self.read, self.trials = journal, 0, 0

    def count(self) -> int:
        """Return how many there are by now."""
        if self.journal.exists():
            with self.journal.open("rb") as file:
                file.seek(self.read)
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            self.read += len(whole)
            for line in whole.splitlines():
                operation = json.loads(line)
                self.trials += operation["op_code"] == 6 and operation["state"] == 1  # set_trial_state_values, COMPLETE
        return self.trials


def main() -> None:
    """Run the starts that are left, and check what the last one leaves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--starts", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0, help="of the faults and their moments")
    parser.add_argument("--folder", type=Path, help="of the study and of the lines so far; a new one below /tmp without it")
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="soak-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sweep = Sweep(folder, _NUM_WORKERS, n_trials=arguments.trials, overrides=_OVERRIDES)
    if not (folder / "conf").exists():
        sweep.write()
    print(folder)
    lines = folder / "lines.txt"
    done = lines.read_text().splitlines() if lines.exists() else []
    print("  ".join(_COLUMNS), *done, sep="\n", flush=True)
    finished = Finished(folder / "sweep" / "study.journal")
    for start in range(len(done), arguments.starts):
        line = _start(sweep, finished, start, arguments.starts, random.Random(f"{arguments.seed}-{start}"))
        with lines.open("a") as file:
            print(line, file=file)
        print(line, flush=True)
    kills = 2 * arguments.starts
    wrong = list(random_kills.find_wrong(sweep, kills))
    print(*(wrong or [f"{arguments.trials:,} trials are finished, each with one run; nothing is left open"]), sep="\n")
    sys.exit(bool(wrong))


def _start(sweep: Sweep, finished: Finished, start: int, starts: int, chance: random.Random) -> str:
    """Start the command once, strike it, stop it, and return the line of this start."""
    begin, is_last = finished.count(), start == starts - 1
    goal = sweep.n_trials * (start + 1) // starts
    strike_at = begin + round((goal - begin) * chance.uniform(0.2, 0.8))
    midst, end = chance.choice(_MIDST), "" if is_last else chance.choice(_ENDS)
    command = sweep.start()
    first = last = Sample(begin)
    steady = min(begin + 3 * _NUM_WORKERS, strike_at)
    while command.poll() is None and (trials := finished.count()) < goal:
        if trials >= steady:
            last = Sample.take(sweep, trials, command.pid)
            first = first if first.computed else last
        if trials >= strike_at:
            _strike(midst, sweep, command, chance)
            strike_at = sys.maxsize
        time.sleep(0.5)
    if command.poll() is not None and finished.count() < goal:
        sys.exit(f"exit code {command.returncode}\n{(sweep.folder / 'output.txt').read_text()[-2000:]}")
    if end:
        random_kills.strike(end, sweep, command, chance)
    if random_kills.wait(command) != 0 and is_last:
        end = f"exit code {command.returncode}"
    return _line(sweep, start, (first, last), finished.count(), f"{midst}, {end}".rstrip(", "))


def _strike(fault: str, sweep: Sweep, command: "subprocess.Popen[bytes]", chance: random.Random) -> None:
    if fault == "worker":
        random_kills.strike(fault, sweep, command, chance)
    elif fault == "freeze":
        frozen = sweep.processes()
        for process in frozen:
            process.suspend()
        time.sleep(_LEASE_SECONDS + chance.uniform(1, 5))
        for process in frozen:
            process.resume()
    else:
        connection = sqlite3.connect(sweep.folder / "mlruns" / "mlflow.db", timeout=60)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(chance.uniform(1, 15))  # MLflow waits for 20 s
        connection.rollback()
        connection.close()


def _line(sweep: Sweep, start: int, samples: tuple[Sample, Sample], trials: int, faults: str) -> str:
    first, last = samples
    same = first.computed.keys() & last.computed.keys()
    computed = sum(last.computed[pid] - first.computed[pid] for pid in same)
    each = 1000 * computed / max(1, last.trials - first.trials)
    folder = sweep.folder / "sweep"
    cells = (
        start + 1,
        trials,
        f"{last.at - first.at:.0f}",
        f"{each:.0f}",
        f"{max(first.memory.values(), default=0) / 1e6:.0f}-{max(last.memory.values(), default=0) / 1e6:.0f}",
        f"{max(first.files.values(), default=0)}-{max(last.files.values(), default=0)}",
        f"{_size(folder.glob('study.journal')):.1f}",
        f"{_size(folder.glob('study.journal?*')):.1f}",
        f"{_size(folder.rglob('*')):.1f}",
        f"{_size((sweep.folder / 'mlruns').glob('mlflow.db*')):.1f}",
        f"{os.getloadavg()[0]:.1f}",
        faults,
    )
    return "  ".join(f"{cell!s:>{len(name)}}" for name, cell in zip(_COLUMNS, cells, strict=True))


def _size(paths: Iterable[Path]) -> float:
    """Return the size of the files on the disk, in MB; workers that end may remove some meanwhile."""
    size = 0
    for path in paths:
        with suppress(FileNotFoundError):
            size += path.lstat().st_blocks * 512
    return size / 1e6


if __name__ == "__main__":
    main()
