"""Seconds that a sweep spends on a trial beyond the task: ask, compose, folder, tell; without MLflow.

    python benchmarks/trial_overhead.py

Sweeps a task that does nothing, with one worker and the default sampler, in a process of its own, and prints the time from the
start of one trial to the start of the next: at the tenth trial of a study, and where it has thousands, which are not run one by
one for that. With `--their-python` the same of hydra-optuna-sweeper in that environment, with one job at a time; its study is
in SQLite, its usual storage of a study that is continued.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
from hydra_async_sweeper.study.storage import open_storage

_FIRST = 20

APPLICATION = """
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    return config.x

if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults: [_self_, override hydra/sweeper: async_optuna]
x: 1.0
y: 1
hydra:
  sweep: {dir: sweep}
  sweeper:
    study_name: empty
    params: {x: "interval(0,1)", y: "choice(1,2,3)"}
"""


def main() -> None:
    """Run the sweep and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000, help="at which trial of a long study to measure")
    parser.add_argument("--their-python", help="of an environment that has hydra-optuna-sweeper 1.4 (and Optuna 5)")
    arguments = parser.parse_args()
    if arguments.their_python:
        _print_theirs(arguments.their_python, arguments.trials)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
        (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
        _sweep(folder, _FIRST)
        print(f"at trial 10:    {_line(_seconds(_study(folder))[5:15])}")
        _lengthen(_study(folder), arguments.trials - _FIRST)
        _sweep(folder, arguments.trials + _FIRST)
        print(f"at trial {arguments.trials:,}: {_line(_seconds(_study(folder))[arguments.trials + 5 :])}")


def _print_theirs(python: str, trials: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").mkdir()
        theirs = CONFIG.replace("async_optuna", "optuna").replace(
            "empty", "empty\n    storage: sqlite:///study.db\n    n_jobs: 1"
        )
        (folder / "conf" / "config.yaml").write_text(theirs, encoding="utf-8")
        (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
        command = [python, "application.py", "-m", f"hydra.sweeper.n_trials={_FIRST}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        url = f"sqlite:///{folder / 'study.db'}"
        study = optuna.load_study(study_name="empty", storage=url)
        print(f"theirs, at trial 10:    {_line(_seconds(study)[5:15])}")
        _lengthen(study, trials - _FIRST)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        study = optuna.load_study(study_name="empty", storage=url)
        print(f"theirs, at trial {trials:,}: {_line(_seconds(study)[trials + 5 :])}", flush=True)


def _sweep(folder: Path, n_trials: int) -> None:
    command = [sys.executable, "application.py", "-m", f"hydra.sweeper.n_trials={n_trials}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="empty", storage=open_storage(None, folder / "sweep"))


def _lengthen(study: optuna.Study, count: int) -> None:
    """Add finished trials like the sweep's, without running them."""
    distributions = study.trials[0].distributions
    random = np.random.default_rng(0)
    added = []
    for _ in range(count):
        x = float(random.uniform())
        params = {"x": x, "y": int(random.integers(1, 4))}
        added.append(optuna.trial.create_trial(params=params, distributions=distributions, value=x))
    study.add_trials(added)


def _seconds(study: optuna.Study) -> list[float]:
    """Return the time from the start of each trial to the start of the next."""
    starts = [trial.datetime_start for trial in study.trials if trial.datetime_start is not None]
    return [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(starts)]


def _line(seconds: list[float]) -> str:
    return f"median {1000 * statistics.median(seconds):6.1f} ms, largest {1000 * max(seconds):6.1f} ms"


if __name__ == "__main__":
    main()
