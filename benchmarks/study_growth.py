"""How the cost of a trial grows with its study: processor time beyond an empty task, ours and what Optuna alone takes.

    python benchmarks/study_growth.py

A sweep of 60 trials with 10 reports each is recorded, its journal is repeated to the length of the study, and the sweep is
continued there for some trials, by one worker in its own process. Printed is the processor time from the start of a trial to
the start of the next. "Optuna" is the same work without ours on a copy of the same journal: `ask`, 10 times `report` and
`should_prune`, and `tell`, with the same sampler, no pruner and Optuna's own storage. With promotion nearly all trials stop
after their first report, so Optuna's trials have one report there.
"""

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_RECORDED = 60
_LENGTHS = (60, 1020, 5040, 20040)
_MEASURED = 12
_CREATE_TRIAL = 4  # the code of a journal's lines that begin a trial

_CASES = {
    "random": ["hydra/sweeper/sampler=random"],
    "TPE": ["hydra/sweeper/sampler=tpe"],
    "TPE with promotion": ["hydra/sweeper/sampler=tpe", "hydra/sweeper/pruner=promotion"],
}

APPLICATION = """
import sys
import time

import hydra
from hydra_async_sweeper import TrialPruned, current_trial

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    with open("starts.txt", "a") as file:
        print(time.process_time(), file=file)
    trial = current_trial()
    trial.annotate("rungs", [1, 3])
    for step in range(1, 11):
        trial.report(config.x * config.y + step / 100, step)
        if trial.should_prune():
            raise TrialPruned
    return config.x * config.y

if __name__ == "__main__":
    main()
"""

ALONE = """
import sys
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
path, sampler, steps, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
built = optuna.samplers.RandomSampler(seed=0) if sampler == "random" else optuna.samplers.TPESampler(seed=0)
study = optuna.load_study(study_name="empty", storage=storage, sampler=built, pruner=optuna.pruners.NopPruner())
space = {"x": optuna.distributions.FloatDistribution(0, 1), "y": optuna.distributions.CategoricalDistribution([1, 2, 3])}
for _ in range(count):
    print(time.process_time())
    trial = study.ask(space)
    for step in range(1, steps + 1):
        trial.report(trial.params["x"] * trial.params["y"] + step / 100, step)
        trial.should_prune()
    study.tell(trial, trial.params["x"] * trial.params["y"])
"""

CONFIG = """
defaults: [_self_, override hydra/sweeper: async_optuna]
x: 1.0
y: 1
hydra:
  output_subdir: null
  sweep: {dir: sweep}
  sweeper:
    study_name: empty
    direction: maximize
    params: {x: "interval(0,1)", y: "choice(1,2,3)"}
"""


def main() -> None:
    """Run every case at every length, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=_LENGTHS, help=f"multiples of {_RECORDED}")
    arguments = parser.parse_args()
    print(f"{'processor ms a trial, median (Optuna alone)':46}" + "".join(f"{length:>16,}" for length in arguments.lengths))
    for case, overrides in _CASES.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "conf").mkdir()
            (folder / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
            (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
            (folder / "alone.py").write_text(ALONE, encoding="utf-8")
            _sweep(folder, overrides, _RECORDED)
            recorded = (folder / "sweep" / "study.journal").read_bytes().splitlines()
            cells = [_measured(folder, overrides, recorded, length) for length in arguments.lengths]
        print(f"{case:46}" + "".join(f"{f'{ours:.0f} ({alone:.0f})':>16}" for ours, alone in cells), flush=True)


def _measured(folder: Path, overrides: list[str], recorded: list[bytes], length: int) -> tuple[float, float]:
    """Return the milliseconds of a trial in a study of this length: of the sweep, and of Optuna alone."""
    journal = folder / "sweep" / "study.journal"
    for beside in folder.glob("sweep/study.journal?*"):
        beside.unlink()
    finished = _repeat(recorded, length // _RECORDED, journal)
    copy = folder / "copy.journal"
    shutil.copy(journal, copy)
    (folder / "starts.txt").unlink()
    _sweep(folder, overrides, finished + _MEASURED)
    ours = [float(line) for line in (folder / "starts.txt").read_text(encoding="utf-8").split()]
    steps = 1 if "hydra/sweeper/pruner=promotion" in overrides else 10
    sampler = overrides[0].rpartition("=")[2]
    command = [sys.executable, "alone.py", str(copy), sampler, str(steps), str(_MEASURED)]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return _median(ours), _median([float(line) for line in done.stdout.split()])


def _median(starts: list[float]) -> float:
    """Return the milliseconds between two starts, without the first, which import what they need."""
    return 1000 * statistics.median(later - earlier for earlier, later in itertools.pairwise(starts[2:]))


def _sweep(folder: Path, overrides: list[str], n_trials: int) -> None:
    command = [sys.executable, "application.py", "-m", "hydra/launcher=basic", f"hydra.sweeper.n_trials={n_trials}", *overrides]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)


def _repeat(recorded: list[bytes], times: int, journal: Path) -> int:
    """Write the recorded study so many times over, as one study, and return how many of its trials are finished."""
    operations = [json.loads(line) for line in recorded]
    num_trials = sum(operation["op_code"] == _CREATE_TRIAL for operation in operations)
    finished = set()
    with journal.open("w", encoding="utf-8") as file:
        for index in range(times):
            for operation in operations:
                is_of_a_trial = operation["op_code"] == _CREATE_TRIAL or "trial_id" in operation
                if index == 0 or is_of_a_trial:
                    file.write(json.dumps(_shifted(operation, index * num_trials), separators=(",", ":")) + "\n")
                if operation.get("state", 0) in (1, 2):
                    finished.add((index, operation["trial_id"]))
    return len(finished)


def _shifted(operation: dict, by: int) -> dict:
    """Return the operation with every number of a trial larger by `by`."""
    shifted = dict(operation)
    if "trial_id" in shifted:
        shifted["trial_id"] += by
    for key in ("user_attr", "user_attrs"):
        attributes = dict(shifted.get(key, {}))
        if "finished_before" in attributes:
            attributes["finished_before"] += by
        if "promoted_from" in attributes:
            attributes["promoted_from"] = {**attributes["promoted_from"], "trial": attributes["promoted_from"]["trial"] + by}
        if attributes:
            shifted[key] = attributes
    return shifted


if __name__ == "__main__":
    main()
