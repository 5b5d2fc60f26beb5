"""Sweeps that are killed at random moments and started again: `python random_kills.py --schedules 30 --seed 0`.

A schedule is a sweep of 2 to 5 workers with one or two faults: SIGKILL of a worker, of the command, or of it and all workers;
one Ctrl-C, or two. They come when the study's journal has grown to a random length, which means the same on a slow machine, or
while the command starts. Whatever the schedule, in the end

- exactly `n_trials` are finished, none has failed, and none has more attempts than there were kills;
- each has one run in MLflow, with the study's value and state;
- no process is left, and no run is open.

A seed gives the same schedule again, though not the same interleaving. `--digits` sweeps our own networks instead of an
application that takes no time. The folder of a schedule that failed is kept.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import psutil
from hydra_async_sweeper.study.storage import open_storage

N_TRIALS = 8
STEPS = 3
FAULTS = ("worker", "command", "all", "ctrl-c", "ctrl-c twice")

# Lines of the journal that a whole sweep writes, about.
_LINES = N_TRIALS * (4 * STEPS + 12)
_PATIENCE_SECONDS = 600.0

APPLICATION = """
import json, time, uuid
from pathlib import Path
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from hydra_async_sweeper import current_trial
from densenet_sweep.tracking.mlflow_record import open_record

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig):
    trial, state = current_trial(), Path(HydraConfig.get().runtime.output_dir) / "state.json"
    step, run_id = json.loads(state.read_text()) if state.exists() else (0, None)

    def keep():
        part = state.with_suffix(".part")
        part.write_text(json.dumps([step, record.run_id]))
        part.replace(state)

    key = trial.annotations.get("record_key")  # kept before the run is begun, so that no kill makes a second one
    may_exist, key = key is not None, key or uuid.uuid4().hex
    trial.annotate("record_key", key)
    record = open_record(
        **config.tracking, key=key, may_exist=may_exist, folder=state.parent, run_id=run_id, name=f"trial {trial.number}",
        parameters={"x": config.x}, study_name=trial.study_name, tags={"trial.number": str(trial.number)},
    )
    keep()
    for past in range(1, step + 1):  # a killed process may not have sent them; the record skips those it has
        record.epoch({"value": config.x * past}, step=past)
    outcome = "failed", "an error"
    try:
        for step in range(step + 1, config.steps + 1):
            time.sleep(config.seconds)
            trial.check_lease()
            if step > record.last_step:
                record.epoch({"value": config.x * step}, step=step)
            keep()
            trial.report(config.x * step, step)
        outcome = "complete", None
    except KeyboardInterrupt:
        outcome = "interrupted", "stopped by the user"
        raise
    finally:
        record.finish(*outcome)
    return config.x * config.steps

if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: async_optuna
  - override hydra/launcher: local
x: 1.0
seconds: 0.05
objective: value
tracking: {uri: "sqlite:///mlruns/mlflow.db", artifact_location: mlruns/artifacts, experiment: kills, required: false,
  system_metrics: false}
hydra:
  mode: MULTIRUN
  sweep: {dir: sweep}
  callbacks: {sweep_run: {_target_: densenet_sweep.callbacks.sweep_run.SweepRun}}
  sweeper: {study_name: kills, direction: maximize, params: {x: "interval(0,1)"}}
"""

DIGITS = (
    "-m", "densenet_sweep", "sweep=growth_depth_lr", "data=digits", "hydra.sweeper.study_name=kills", "hydra.sweep.dir=sweep",
    "architecture.growth_rate=choice(4,6)", "architecture.depth=10", "hydra/sweeper/pruner=none", f"epochs={STEPS}",
    "hydra.sweeper.enqueue=null", "tracking.experiment=kills", "tracking.system_metrics=false",
)  # fmt: skip


@dataclass
class Sweep:
    """One sweep in a folder of its own."""

    folder: Path
    num_workers: int
    is_digits: bool = False
    n_trials: int = N_TRIALS
    overrides: Sequence[str] = ()

    def write(self) -> None:
        (self.folder / "conf").mkdir()
        (self.folder / "conf" / "config.yaml").write_text(CONFIG)
        (self.folder / "application.py").write_text(APPLICATION)

    def start(self) -> subprocess.Popen[bytes]:
        arguments = DIGITS if self.is_digits else ("application.py", f"+steps={STEPS}")
        common = (f"hydra.launcher.num_workers={self.num_workers}", f"hydra.sweeper.n_trials={self.n_trials}", *self.overrides)
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *arguments, *common],
                cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def num_lines(self) -> int:
        journal = self.folder / "sweep" / "study.journal"
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    def processes(self) -> list[psutil.Process]:
        """Return what runs in the folder: the command and its workers, whoever inherited them."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:  # it ended, or is another user's
                continue
        return found


def run(seed: int, folder: Path, *, is_digits: bool = False) -> tuple[str, list[str]]:
    """Run one schedule in `folder`; return what it was, and what is wrong in the end."""
    chance = random.Random(seed)
    sweep = Sweep(folder, chance.randint(2, 5), is_digits)
    sweep.write()
    faults = [chance.choice(FAULTS) for _ in range(chance.randint(1, 2))]
    command = sweep.start()
    for fault in faults:
        is_early = chance.random() < 0.25
        until = sweep.num_lines() + (0 if is_early else chance.randrange(1, _LINES))
        pause = chance.uniform(0.0, 6.0 if is_early else 0.3)
        while sweep.num_lines() < until and command.poll() is None:
            time.sleep(0.02)
        time.sleep(pause)
        strike(fault, sweep, command, chance)
        if fault != "worker":
            wait(command)
            command = sweep.start()
    code = wait(command)
    seconds_left = time.monotonic() + 30
    while sweep.processes() and time.monotonic() < seconds_left:
        time.sleep(0.1)
    num_kills = sum(not fault.startswith("ctrl") for fault in faults)
    wrong = [] if code == 0 else [f"exit code {code}"]
    return f"{sweep.num_workers} workers, {', '.join(faults)}", [*wrong, *find_wrong(sweep, num_kills)]


def strike(fault: str, sweep: Sweep, command: subprocess.Popen[bytes], chance: random.Random) -> None:
    if fault.startswith("ctrl-c"):
        for _ in fault.split():
            command.send_signal(signal.SIGINT)
            time.sleep(chance.uniform(0.05, 0.5))
        return
    workers = [it for it in sweep.processes() if it.pid != command.pid]
    struck = {"worker": workers[:1], "command": [], "all": workers}[fault]
    if fault != "worker":
        command.kill()
    for process in struck:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def wait(command: subprocess.Popen[bytes]) -> int:
    try:
        return command.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        command.kill()
        command.wait()
        return 124


def find_wrong(sweep: Sweep, num_kills: int) -> Iterator[str]:
    """Yield what is not as it must be."""
    from densenet_sweep.tracking.run import every
    from densenet_sweep.tracking.store import connect

    for process in sweep.processes():
        yield f"process {process.pid} is left"
        process.kill()
    study = optuna.load_study(study_name="kills", storage=open_storage(None, sweep.folder / "sweep"))
    trials = study.trials
    finished = {trial.number: trial for trial in trials if trial.state.name == "COMPLETE"}
    if len(finished) != sweep.n_trials:
        yield f"{len(finished)} finished"
    for trial in trials:
        if trial.state.name not in ("COMPLETE", "WAITING"):
            yield f"trial {trial.number} is {trial.state.name}: {trial.user_attrs.get('reason')}"
        if trial.user_attrs.get("attempt", 0) > num_kills:
            yield f"trial {trial.number} has {trial.user_attrs['attempt']} attempts after {num_kills} kills"
    client = connect(f"sqlite:///{sweep.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("kills")
    runs = [] if experiment is None else every(client, experiment.experiment_id, "")
    for run in runs:
        if run.info.status == "RUNNING":
            yield f"run {run.info.run_name} is open"
    if (number := sum(run.data.tags.get("role") == "study" for run in runs)) != 1:
        yield f"{number} runs of the study"
    by_trial = Counter(int(run.data.tags["trial.number"]) for run in runs if "trial.number" in run.data.tags)
    for number in sorted(finished.keys() | by_trial.keys()):
        if by_trial[number] != 1:
            yield f"trial {number} has {by_trial[number]} runs"
    objective = "valid_accuracy" if sweep.is_digits else "value"
    for run in runs:
        trial = finished.get(int(run.data.tags.get("trial.number", -1)))
        if trial is not None and (run.info.status, run.data.metrics.get(objective)) != ("FINISHED", trial.value):
            yield f"{run.info.run_name}: {run.info.status} {run.data.metrics.get(objective)}, in the study {trial.value}"


def main() -> None:
    """Run the schedules one after the other, and exit with 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule; each further one has the next (0)")
    parser.add_argument("--digits", action="store_true", help="sweep our own networks")
    arguments = parser.parse_args()
    num_failed = 0
    for seed in range(arguments.seed, arguments.seed + arguments.schedules):
        folder = Path(tempfile.mkdtemp(prefix=f"kills-{seed}-")).resolve()
        began = time.monotonic()
        what, wrong = run(seed, folder, is_digits=arguments.digits)
        num_failed += bool(wrong)
        print(f"seed {seed}: {what}: {time.monotonic() - began:.0f} s: {'; '.join(wrong) or 'passed'}", flush=True)
        if wrong:
            print(f"  {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{arguments.schedules - num_failed} of {arguments.schedules} schedules passed")
    sys.exit(bool(num_failed))


if __name__ == "__main__":
    main()
