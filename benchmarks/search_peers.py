"""Our default search beside Syne Tune's and Ray Tune's, replayed on the same tasks; scores as in `search_regret.py`.

    python3.11 -m venv build/ray && build/ray/bin/pip install 'ray[tune]==2.60.0' optuna==5.0.0
    python3.11 -m venv build/syne && build/syne/bin/pip install syne-tune==0.16.0
    python3.11 -m venv build/syne14 && build/syne14/bin/pip install 'syne-tune[gpsearchers]==0.14.2'
    make build/ifbo
    python benchmarks/search_peers.py [--families lcbench ifbo] [--workers 1] [--tasks N] [--methods ...] [--table FILE]

Each package runs in its own environment and process, and decides alone what is tried, and after which step a trial stops or
pauses. Its schedulers have their default arguments, and the number of steps of a training; ours is what a sweep has that names
no pruner. Syne Tune 0.16 has ASHA that stops trials; ASHA by promotion, PASHA and DyHPO were removed in 0.15, so 0.14.2 runs
them. ASHACQR, which needs huggingface_hub too, and DyHPO take minutes a replay, and run only where `--methods` names them.

Trials that these pause continue where they were, as the package expects of a task with checkpoints, unless the name says
"anew". Ours begin anew unless the name says "resumes". The first table counts complete trials alone. The second one counts the
trial that is best so far, after whatever step, as if it were trained to its end at no cost: for methods that complete few.
With `--table` the regrets are kept in a file, and what it has is not run again.
"""

import argparse
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from replay import Job, Ledger, run
from search import ifbo_prior, lcbench, methods, peer, score
from search.task import Task
from search_regret import BASELINE, TRAININGS

FAMILIES = {"lcbench": (lcbench, 2), "ifbo": (ifbo_prior, 1)}  # and seeds of a task
OURS = "our default"
ENVIRONMENTS = {"Ray Tune": "ray", "Syne Tune": "syne", "Syne Tune 0.14": "syne14"}
PEERS = {
    "Ray Tune": ("ASHA", "ASHA, Optuna"),
    "Syne Tune": ("ASHA", "BOHB", "ASHACQR"),
    "Syne Tune 0.14": ("ASHA promotion", "PASHA", "DyHPO"),
}
SLOW = ("Syne Tune ASHACQR", "Syne Tune 0.14 DyHPO")  # minutes a replay: run only where `--methods` names them
_ANEW = ", anew"

# A task and a seed to the trials of a search.
Trials = Callable[[Task, int], Callable[[Ledger], Iterator[Job]]]


def main() -> None:
    """Replay everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--seeds", type=int, help="of a task, in place of the family's own number")
    parser.add_argument("--tasks", type=int, help="of a family: the first so many")
    parser.add_argument("--methods", nargs="+", help="of those that are tried; the baseline is always run")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="of the environments")
    parser.add_argument("--table", type=Path, help="JSON file of regrets, by family, tasks, workers, seeds and method")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searches = _ours() | _of_others(arguments.folder)
    wanted = arguments.methods or [name for name in searches if name not in SLOW]
    tried = [name for name in searches if name in (*wanted, BASELINE)]
    table = json.loads(arguments.table.read_text()) if arguments.table and arguments.table.exists() else {}
    for family in arguments.families:
        tasks, num_seeds = FAMILIES[family]
        num_seeds = arguments.seeds or num_seeds
        names, task = tasks.names()[: arguments.tasks], functools.cache(tasks.task)
        for num_workers in arguments.workers:
            known = table.setdefault(f"{family}, {len(names)} tasks, {num_workers} workers, {num_seeds} seeds", {})
            for name in tried:
                if name not in known:
                    began = time.perf_counter()
                    try:
                        known[name] = [
                            [replay(searches[name], task(it), seed, num_workers) for seed in range(num_seeds)] for it in names
                        ]
                    except RuntimeError as error:
                        print(f"{name}: {error}", flush=True)
                        continue
                    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
                if arguments.table:
                    arguments.table.write_text(json.dumps(table))
            print(f"\n{family}: {len(names)} tasks, {num_seeds} seeds each, {num_workers} workers")
            _print_table({name: np.array(known[name]) for name in tried if name in known})


def replay(trials: Trials, task: Task, seed: int, num_workers: int) -> list[list[float]]:
    """Return the regrets after each number of trainings: of the best complete trial, and of the pick trained to its end."""
    ledger = run(trials(task, seed), num_workers=num_workers, max_epochs=TRAININGS[-1] * task.num_steps)
    within = [trainings * task.num_steps for trainings in TRAININGS]
    return [[task.regret(found(it)) for it in within] for found in (ledger.best_within, ledger.pick_within)]


def _ours() -> dict[str, Trials]:
    plain = methods.of_plain_tasks()
    chosen = {name: plain[name] for name in (BASELINE, "random", OURS)}
    chosen[f"{OURS}, resumes"] = dataclasses.replace(plain[OURS], resumes=True)
    return {name: method.trials for name, method in chosen.items()}


def _of_others(folder: Path) -> dict[str, Trials]:
    searches: dict[str, Trials] = {}
    for package, names in PEERS.items():
        script = peer.FOLDER / ("ray_tune_search.py" if package == "Ray Tune" else "syne_tune_search.py")
        process = peer.Process(str(folder / ENVIRONMENTS[package] / "bin" / "python"), script)
        for name in names:
            searches[f"{package} {name}"] = functools.partial(_trials_of, process, name, True)
            if name in ("ASHA promotion", "PASHA"):
                searches[f"{package} {name}{_ANEW}"] = functools.partial(_trials_of, process, name, False)
    return searches


def _trials_of(process: peer.Process, method: str, resumes: bool, task: Task, seed: int) -> Callable[[Ledger], Iterator[Job]]:
    return peer.sweep(process.begin(method, task, seed), task, resumes=resumes)


def _print_table(regrets: dict[str, NDArray[np.float64]]) -> None:
    """Print regrets (T, S, 2, B): by task, seed, what is counted, and budget."""
    for counted, title in enumerate(("complete trials alone", "the best so far, as if trained to its end")):
        for against in (BASELINE, OURS):
            if against not in regrets:
                continue
            print(f"\n{f'{title}; ratio to {against}':48}" + "".join(f"{f'after {it} trainings':>32}" for it in TRAININGS))
            for name, values in regrets.items():
                print(f"{name:48}" + _cells(values[:, :, counted], regrets[against][:, :, counted]), flush=True)


def _cells(regrets_TSB: NDArray[Any], others_TSB: NDArray[Any]) -> str:
    return "".join(f"{score.cell(regrets_TSB[..., it], others_TSB[..., it]):>32}" for it in range(len(TRAININGS)))


if __name__ == "__main__":
    main()
