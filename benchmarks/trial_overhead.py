"""Seconds that a sweep spends on a trial beyond the task: ask, compose, folder, tell; without MLflow.

    python benchmarks/trial_overhead.py

Sweeps a task that does nothing, with one worker and the default sampler, in a process of its own, and prints the time from the
start of one trial to the start of the next.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna

from densenet_sweep.sweep.study import open_storage

APPLICATION = """
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    return config.x

if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults: [_self_, override hydra/sweeper: densenet_sweep]
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
    parser.add_argument("--trials", type=int, default=60, help="how many trials to run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").mkdir()
        (folder / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
        (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
        command = [sys.executable, "application.py", "-m", f"hydra.sweeper.n_trials={asked.trials}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        trials = optuna.load_study(study_name="empty", storage=open_storage(None, folder / "sweep")).trials
    starts = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    seconds = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(starts)]
    for label, part in (("trials 5 to 15", seconds[5:15]), (f"the last 10 of {asked.trials}", seconds[-10:])):
        print(f"{label:<22} median {1000 * statistics.median(part):6.1f} ms, largest {1000 * max(part):6.1f} ms")


if __name__ == "__main__":
    main()
