"""The test accuracy of what a side of `time_to_accuracy.py` has found, over fresh trainings on both splits."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SEEDS = 3
_WINNER = Path(__file__).parent / "time_to_accuracy" / "winner.py"


def of_ours(folder: Path, environment: Mapping[str, str]) -> list[float]:
    """Return the test accuracies of the best trial of the sweep in `folder`, by `confirm`."""
    from densenet_sweep import load_study

    _printed([sys.executable, "-m", "densenet_sweep", "confirm", "--top", "1", "--seeds", str(SEEDS)], folder, environment)
    (confirmation,) = (folder / "outputs" / "confirmations").iterdir()
    return [trial.values[0] for trial in load_study(confirmation).trials]


def of_theirs(
    python: Path, configuration: Mapping[str, str], folder: Path, environment: Mapping[str, str], *, epochs: int, careful: bool
) -> list[float]:
    """Return the test accuracies of a configuration in the others' loop, two trainings at a time as in the search."""
    words = [configuration[name] for name in ("growth_rate", "depth", "lr")]
    kind = "careful" if careful else "plain"
    commands = [[python, _WINNER, *words, str(epochs), str(seed), kind] for seed in range(SEEDS)]
    with ThreadPoolExecutor(2) as pool:
        lines = pool.map(lambda command: _printed(command, folder, environment), commands)
        return [float(line.split()[-1]) for line in lines]


def _printed(command: Sequence[str | os.PathLike[str]], folder: Path, environment: Mapping[str, str]) -> str:
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
