"""Normalised regret of searches, replayed through the engine's samplers and pruners on tasks with known learning curves.

    python benchmarks/search_regret.py [--families lcbench ifbo recorded hpobench] [--workers 1 4] [--n-trials 20]

0 is the best known value of a task, 1 the median random configuration. Printed for each method after 5, 10 and 20 full
trainings' worth of steps of all workers together: the interquartile mean over tasks and seeds, in parentheses the worst decile,
and the ratio to TPE's with a 95 % bootstrap interval paired by task. Only a complete trial's value counts. With `--n-trials` a
sweep ends after so many trials; the last column is how many trainings' worth of steps it took. LCBench needs its surrogate in
the folder `$DENSENET_SWEEP_YARDSTICK`; a family whose data is missing is left out with a line that says so.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from types import ModuleType
from typing import NamedTuple

import numpy as np
import optuna
from replay import run
from search import hpobench, ifbo_prior, lcbench, methods, recorded, score

TRAININGS = (5, 10, 20)  # full trainings' worth of steps after which regret is taken
BASELINE = "TPE"


class Family(NamedTuple):
    """Tasks of one kind: the module with `names` and `task`, what is tried on them, and how many seeds a task has."""

    tasks: ModuleType
    methods: Callable[[], Mapping[str, methods.Method]]
    num_seeds: int


FAMILIES = {
    "lcbench": Family(lcbench, methods.of_plain_tasks, 2),
    "ifbo": Family(ifbo_prior, methods.of_synthetic_tasks, 1),
    "recorded": Family(recorded, methods.of_tasks_with_rungs, 20),
    "hpobench": Family(hpobench, methods.of_samplers, 5),
}


def main() -> None:
    """Replay everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--workers", type=int, nargs="+", default=(1, 4))
    parser.add_argument("--seeds", type=int, help="of a task, in place of the family's own number")
    parser.add_argument("--methods", nargs="+", help="of those that are tried; the baseline is always run")
    parser.add_argument("--n-trials", type=int, help="after which a sweep ends, in place of 20 trainings")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in arguments.families:
            family = FAMILIES[name]
            try:
                tasks = family.tasks.names()
            except FileNotFoundError as missing:
                print(f"\n{name} is left out: {missing}", flush=True)
                continue
            for num_workers in arguments.workers if family.methods is not methods.of_samplers else (1,):
                num_seeds = arguments.seeds or family.num_seeds
                print(f"\n{name}: {len(tasks)} tasks, {num_seeds} seeds each, {num_workers} workers", flush=True)
                _print_table(name, tasks, num_seeds, num_workers, arguments.n_trials, arguments.methods, pool)


def _print_table(
    name: str,
    tasks: Sequence[str],
    num_seeds: int,
    num_workers: int,
    n_trials: int | None,
    wanted: Sequence[str] | None,
    pool: ProcessPoolExecutor,
) -> None:
    tried = [it for it in FAMILIES[name].methods() if wanted is None or it in wanted or it == BASELINE]
    tried.sort(key=lambda method: method != BASELINE)
    print(f"{'':32}" + "".join(f"{f'after {it} trainings':>32}" for it in TRAININGS) + f"{'s a replay':>12}{'trainings':>12}")
    baseline = np.zeros(0)
    for method in tried:
        cells = [(task, seed) for task in tasks for seed in range(num_seeds)]
        results = list(pool.map(partial(replay, name, method, num_workers, n_trials), *zip(*cells, strict=True)))
        regrets_TSB = np.array([regrets for regrets, _, _ in results]).reshape(len(tasks), num_seeds, len(TRAININGS))
        baseline = regrets_TSB if method == BASELINE else baseline
        print(f"{method:32}" + "".join(f"{score.cell(regrets_TSB[..., it], baseline[..., it]):>32}" for it in range(3)), end="")
        print("".join(f"{np.mean([result[it] for result in results]):12.1f}" for it in (1, 2)), flush=True)


def replay(
    family: str, method: str, num_workers: int, n_trials: int | None, task_name: str, seed: int
) -> tuple[list[float], float, float]:
    """Return the regret after each number of trainings, the seconds that the replay took, and its steps in trainings."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.perf_counter()
    task = FAMILIES[family].tasks.task(task_name)
    trials = FAMILIES[family].methods()[method].trials(task, seed, math.inf if n_trials is None else n_trials)
    most = TRAININGS[-1] if n_trials is None else n_trials
    ledger = run(trials, num_workers=num_workers, max_epochs=most * task.num_steps)
    regrets = [task.regret(ledger.best_within(trainings * task.num_steps)) for trainings in TRAININGS]
    return regrets, time.perf_counter() - began, ledger.epochs / task.num_steps


if __name__ == "__main__":
    main()
