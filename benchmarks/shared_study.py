"""Trials lost, run twice or stuck, and trials per second, where two commands with 16 workers share a study in PostgreSQL.

    python benchmarks/shared_study.py

Starts a PostgreSQL of its own, with its usual settings (every commit is written to the disk), and two commands on one study at
once, each with half of the workers, under the random sampler. The tasks sleep for 0 to 20 ms, so that the storage is queried as
often as possible. Each task writes down when it begins and ends, and this record is compared with the study: exactly so many
trials must be finished, none may still be running, and each finished one must have run once. Ends with exit code 1 otherwise.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna

_NUM_COMMANDS = 2

# How long a command may take to stop after its signal.
_GRACE_SECONDS = 30

APPLICATION = """
import os
import time

import hydra
from hydra.core.hydra_config import HydraConfig

def note(what, number):
    ran = os.open("ran.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ran, f"{what} {number} {os.getpid()} {time.time()}\\n".encode())
    os.close(ran)

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    number = HydraConfig.get().job.num
    note("begin", number)
    time.sleep(0.02 * config.x)
    note("end", number)
    return config.x

if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults: [_self_, override hydra/sweeper: async_optuna, override hydra/launcher: local]
x: 0.5
hydra:
  sweep: {dir: sweep}
  sweeper:
    study_name: shared
    storage: ${oc.env:SWEEP_STORAGE}
    params: {x: "interval(0,1)"}
"""


@dataclass(frozen=True)
class Record:
    """The tasks' own record.

    Attributes:
        begun: how often each trial number began.
        ended: how often each came to its end.
        pids: the processes that ran tasks.
        seconds: from the first task's begin to the last task's end.
    """

    begun: Counter[int]
    ended: Counter[int]
    pids: set[int]
    seconds: float


def main() -> None:
    """Run the two commands and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=16, help="of both commands together; an even number")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--timeout", type=float, default=1800, help="seconds after which the commands count as stuck")
    arguments = parser.parse_args()
    if arguments.workers < _NUM_COMMANDS or arguments.workers % _NUM_COMMANDS:
        parser.error(f"--workers {arguments.workers}: a multiple of {_NUM_COMMANDS} is accepted")
    with tempfile.TemporaryDirectory(prefix="pg") as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
        (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
        with _postgres(Path(server)) as url:
            began = time.monotonic()
            problems = _run_commands(folder, url, arguments.workers // _NUM_COMMANDS, arguments.trials, arguments.timeout)
            took = time.monotonic() - began
            if not (folder / "ran.txt").exists():
                sys.exit("\n".join([*problems, "no trial has run"]))
            trials = _trials(url)
        problems += _print_counts(trials, _record(folder), arguments.trials, arguments.workers, took)
    if problems:
        sys.exit("\n".join(problems))


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Start a PostgreSQL in `folder` and yield its URL; it is stopped at the end.

    Raises:
        SystemExit: PostgreSQL is not installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        sys.exit("PostgreSQL is not installed: initdb is neither below /usr/lib/postgresql nor on the path")
    programs, data, password = Path(initdb).parent, str(folder / "data"), secrets.token_hex(16)
    (folder / "password").write_text(password, encoding="utf-8")
    folder.chmod(0o755)
    as_its_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_its_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_its_user, str(programs / program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run("initdb", "-D", data, "-U", "sweep", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    options = f"-p {port} -k {folder} -h 127.0.0.1"
    run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://sweep:{password}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def _run_commands(folder: Path, url: str, num_workers: int, n_trials: int, timeout: float) -> list[str]:
    """Run the commands at the same time, wait for all, and return the errors."""
    command = [sys.executable, "application.py", "-m", f"hydra.sweeper.n_trials={n_trials}", "hydra/sweeper/sampler=random"]
    command.append(f"hydra.launcher.num_workers={num_workers}")
    environment = {**os.environ, "SWEEP_STORAGE": url}
    logs = [folder / f"command-{index}.log" for index in range(_NUM_COMMANDS)]
    processes = []
    for log in logs:
        with log.open("wb") as output:
            started = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
            processes.append(started)
    deadline = time.monotonic() + timeout
    problems = []
    for index, (process, log) in enumerate(zip(processes, logs, strict=True)):
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            problems.append(f"command {index} was still running after {timeout:g} s")
            code = _stop(process)
        if code != 0:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            problems.append(f"command {index} ended with exit code {code}:\n{tail}")
    return problems


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _trials(url: str) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(url)
    trials = optuna.load_study(study_name="shared", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return trials


def _record(folder: Path) -> Record:
    begun: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    pids, times = set(), []
    for line in (folder / "ran.txt").read_text(encoding="utf-8").splitlines():
        what, number, pid, at = line.split()
        (begun if what == "begin" else ended)[int(number)] += 1
        pids.add(int(pid))
        times.append(float(at))
    return Record(begun, ended, pids, max(times) - min(times))


def _print_counts(
    trials: Sequence[optuna.trial.FrozenTrial], record: Record, n_trials: int, num_workers: int, took: float
) -> list[str]:
    """Print the trials' outcomes and return the errors found."""
    states = Counter(trial.state.name for trial in trials)
    finished = {trial.number for trial in trials if trial.state.name in ("COMPLETE", "PRUNED")}
    lost = sorted(number for number in record.begun if number not in finished)
    duplicated = sorted(number for number, times in record.begun.items() if times > 1)
    not_run = sorted(number for number in finished if record.ended[number] == 0)
    suggested = Counter(trial.params["x"] for trial in trials if "x" in trial.params)
    print(
        f"{_NUM_COMMANDS} commands, {len(record.pids)} of {num_workers} workers ran trials; {n_trials:,} trials were the budget"
    )
    print(f"finished:    {len(finished):,}")
    print(f"lost:        {len(lost):,} (began, but are not finished in the study)")
    print(f"duplicated:  {len(duplicated):,} (began more than once)")
    print(f"not run:     {len(not_run):,} (finished in the study, but no task came to its end)")
    print(f"stuck:       {states['RUNNING']:,} (still running in the study)")
    print(f"failed:      {states['FAIL']:,}")
    print(f"left queued: {states['WAITING']:,} (given back at the end of the budget, never begun)")
    print(f"suggested x: {len(suggested):,} different values in {len(trials):,} trials")
    print(
        f"first task's begin to last task's end: {record.seconds:.1f} s, {len(finished) / record.seconds:.1f} trials per second"
    )
    print(f"both commands, start-up included:      {took:.1f} s, {len(finished) / took:.1f} trials per second")
    wrong = {
        f"{len(finished):,} trials are finished, not {n_trials:,}": len(finished) != n_trials,
        f"lost: {lost[:20]}": bool(lost),
        f"duplicated: {duplicated[:20]}": bool(duplicated),
        f"not run: {not_run[:20]}": bool(not_run),
        f"stuck: {states['RUNNING']}": bool(states["RUNNING"]),
        f"failed: {states['FAIL']}": bool(states["FAIL"]),
    }
    return [problem for problem, is_so in wrong.items() if is_so]


if __name__ == "__main__":
    main()
