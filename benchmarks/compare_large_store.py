"""Seconds that `compare` and `status` take where MLflow holds 2,000 runs of one study.

    python benchmarks/compare_large_store.py

Writes a study of 2,000 trials to a journal and their runs to a sqlite store as a sweep would have left them (parameters,
metrics of each epoch, tags), by direct SQL, since training them is not what is measured. Then times whole commands, from the
start of the process to its end: with the study below `outputs/`, and from another folder, where only MLflow knows it.
"""

import argparse
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import optuna
from hydra_async_sweeper.study import study_file
from hydra_async_sweeper.study.storage import open_storage
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from densenet_sweep.config import composition, run_config
from densenet_sweep.tracking import store

STUDY = "large"
EPOCHS = 9

_SEARCHED = {
    "architecture.growth_rate": ("choice(8,12,16,24)", CategoricalDistribution([8, 12, 16, 24])),
    "architecture.depth": ("range(16,41,6)", IntDistribution(16, 40, step=6)),
    "optimizer.lr": ("tag(log,interval(0.01,0.5))", FloatDistribution(0.01, 0.5, log=True)),
}
_SYSTEM = ("cpu_utilization_percentage", "disk_available_megabytes", "disk_usage_megabytes", "disk_usage_percentage",
           "network_receive_megabytes", "network_transmit_megabytes", "system_memory_usage_megabytes")  # fmt: skip


def main() -> None:
    """Make the store, run the commands and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="of the study, each with a run")
    parser.add_argument("--rounds", type=int, default=3, help="how often each command is timed")
    parser.add_argument("--keep", type=Path, help="a folder to make the store in, and to leave it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        home, elsewhere = folder / "home", folder / "elsewhere"
        elsewhere.mkdir(parents=True, exist_ok=True)
        if not home.is_dir():
            home.mkdir()
            _make(home, arguments.trials)
        here, there = "tracking.uri=sqlite:///mlruns/mlflow.db", f"tracking.uri=sqlite:///{home}/mlruns/mlflow.db"
        for where, words in (
            (home, ["compare", STUDY]),
            (home, ["compare", STUDY, "--metric", "valid_loss", here]),
            (home, ["status", STUDY]),
            (elsewhere, ["compare", STUDY, there]),
            (elsewhere, ["compare", STUDY, "--metric", "valid_loss", there]),
            (elsewhere, ["status", STUDY, there]),
        ):
            timed = [_timed(where, words) for _ in range(arguments.rounds)]
            seconds, work = ([one[index] for one in timed] for index in (0, 1))
            what = " ".join(word for word in words if "=" not in word)
            source = "outputs/" if where == home else "MLflow alone"
            print(
                f"{what:35} {source:13} median {statistics.median(seconds):5.2f} s, least {min(seconds):5.2f} s; "
                f"of a processor {statistics.median(work):5.2f} s",
                flush=True,
            )


def _timed(folder: Path, words: list[str]) -> tuple[float, float]:
    """Return a command's wall and processor seconds; other work on the machine adds to the former."""
    command = [sys.executable, "-m", "densenet_sweep", *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode or STUDY not in done.stdout:
        raise RuntimeError(done.stderr or done.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _make(home: Path, count: int) -> None:
    random = np.random.default_rng(0)
    trials = [made_up_trial(random, number) for number in range(count)]
    folder = home / "outputs" / "sweeps" / STUDY
    folder.mkdir(parents=True)
    study = optuna.create_study(study_name=STUDY, storage=open_storage(None, folder), direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    study.set_user_attr("space", {})
    study.add_trials(trials)
    study_file.write(folder, study, storage=None, n_trials=count, command="densenet-sweep sweep=large")
    database = home / "mlruns" / "mlflow.db"
    uri = f"sqlite:///{database}"
    experiment = store.experiment_id(store.connect(uri), uri, "densenet_sweep", str(home / "mlruns" / "artifacts"))
    _record(database, experiment, folder, study.get_trials(deepcopy=False))


def made_up_trial(random: np.random.Generator, number: int) -> optuna.trial.FrozenTrial:
    """Return the trial `number` of a study that nobody trained: a third is complete, the others pruned after 1 or 3 epochs."""
    lr = float(np.exp(random.uniform(np.log(0.01), np.log(0.5))))
    growth_rate, depth = int(random.choice([8, 12, 16, 24])), int(random.choice([16, 22, 28, 34, 40]))
    end = 0.93 - 0.02 * abs(np.log(lr / 0.1)) + 0.0004 * (growth_rate + depth / 4) + float(random.normal(0, 0.004))
    is_pruned = number % 3 > 0
    epochs = (1 if number % 3 == 1 else 3) if is_pruned else EPOCHS
    curve = {epoch: min(0.999, end - 0.3 / epoch + float(random.normal(0, 0.01))) for epoch in range(1, epochs + 1)}
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.PRUNED if is_pruned else optuna.trial.TrialState.COMPLETE,
        value=curve[epochs],
        params={"architecture.growth_rate": growth_rate, "architecture.depth": depth, "optimizer.lr": lr},
        distributions={name: distribution for name, (_, distribution) in _SEARCHED.items()},
        intermediate_values=curve,
        user_attrs={
            "num_parameters": 400 * growth_rate * depth,
            "num_steps": EPOCHS,
            "num_valid": 6000,
            "seconds": 2.5 * epochs,
            "mlflow_run_id": uuid.UUID(int=int(random.integers(1 << 62))).hex,
        },
    )


def _record(database: Path, experiment: str, folder: Path, trials: list[optuna.trial.FrozenTrial]) -> None:
    """Write the parent run and one run per trial into the tables of MLflow."""
    config = composition.typed(composition.compose(["sweep=growth_depth_lr", f"epochs={EPOCHS}"]))
    fixed = run_config.flat(run_config.shown(config))
    parent = uuid.uuid4().hex
    now = int(time.time() * 1000)
    runs = [
        (parent, STUDY, "UNKNOWN", "", "", "me", "FINISHED", now, now + 10**6, "", "active", f"{folder}/{parent}", experiment)
    ]
    params = [(key, text, parent) for key, (text, _) in _SEARCHED.items()]
    tags = [
        (key, value, parent)
        for key, value in {
            "study": STUDY, "role": "study", "sweep.dir": "/gone", "n_trials": str(len(trials)), "study.directions": "maximize",
        }.items()
    ]  # fmt: skip
    metrics: list[tuple[str, float, int, int, bool, str]] = []
    latest: list[tuple[str, float, int, int, bool, str]] = []
    for trial in trials:
        run = trial.user_attrs["mlflow_run_id"]
        start = now + 1000 * trial.number
        state = "complete" if trial.state.name == "COMPLETE" else "pruned"
        status = "FINISHED" if state == "complete" else "KILLED"
        name = f"trial {trial.number}"
        runs.append(
            (run, name, "UNKNOWN", "", "", "me", status, start, start + 900, "", "active", f"{folder}/{run}", experiment)
        )
        params += [(key, str(value), run) for key, value in {**fixed, **trial.params}.items()]
        said = {
            "mlflow.parentRunId": parent, "mlflow.runName": name, "study": STUDY, "trial.number": str(trial.number),
            "trial.state": state, "host": "host", "process": "1", "process.start": "1",
            "git.commit": "0" * 40, "git.dirty": "false",
            "device.name": "a processor", "device.type": "cpu", "torch.version": "2", "torchvision.version": "1",
            "num_threads": "1",            "precision": "bfloat16", "num_valid": "6000",
            "overrides": " ".join(f"{key}={value}" for key, value in trial.params.items()),
        }  # fmt: skip
        tags += [(key, value, run) for key, value in said.items()]
        rows = [
            (key, value, start + epoch, epoch, False, run)
            for epoch, accuracy in trial.intermediate_values.items()
            for key, value in {
                "valid_accuracy": accuracy, "valid_loss": 3 * (1 - accuracy), "train_accuracy": accuracy,
                "train_loss": 1 - accuracy, "lr": 0.1, "seconds": 2.5, "images_per_second": 4e3, "peak_memory_bytes": 4e8,
                "num_parameters": float(trial.user_attrs["num_parameters"]), **{f"system/{name}": 1.0 for name in _SYSTEM},
            }.items()
        ]  # fmt: skip
        metrics += rows
        latest += list({row[0]: row for row in rows}.values())
    with sqlite3.connect(database) as connection:
        connection.executemany(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
            "end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            runs,
        )
        connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?,?,?)", params)
        connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?,?,?)", tags)
        for table, entries in (("metrics", metrics), ("latest_metrics", latest)):
            text = f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?,?,?,?,?,?)"
            connection.executemany(text, entries)


if __name__ == "__main__":
    main()
