"""When a sweep ends: regret and trainings under the rules that end it, on tasks with known learning curves.

    python benchmarks/search_stop.py [--families lcbench ifbo] [--methods random TPE "our default"]

Each search is replayed once for 100 trials with one worker, and each rule ends it where the engine's `Budget` does. Printed for
each rule: the normalised regret of then (0 the best known value of a task, 1 the median random configuration), as the
interquartile mean over tasks and seeds with the worst decile in parentheses; its ratio to that of 40 trials, with a 95 %
bootstrap interval paired by task; how many trials it takes, with the middle 80 %, and how many full trainings' worth of steps;
and what the next ten trials would have gained, in units of regret, with the share of searches where that is more than
`stop_when.gain`. `patience` is left out beside the default pruner, which a sweep with `patience` does not have.
"""

import argparse
import collections
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import optuna
from hydra_async_sweeper.study.budget import Budget
from hydra_async_sweeper.study.expected_gain import StopWhen
from replay import Ledger
from search import score
from search.task import Task
from search_regret import FAMILIES

MOST_TRIALS = 100
NEXT = 10  # trials ahead
GAIN = 0.02  # of regret
FIXED = "40 trials"


class End(NamedTuple):
    """Where a rule ends a search: its regret, trials and trainings, and the regret that the next ten trials would remove."""

    regret: float
    trials: int
    trainings: float
    next_gain: float


def main() -> None:
    """Replay everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=["lcbench", "ifbo"], default=["lcbench", "ifbo"])
    parser.add_argument("--methods", nargs="+", default=["random", "TPE", "our default"])
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
            for method in arguments.methods:
                print(f"\n{name}, {method}: {len(tasks)} tasks, {family.num_seeds} seeds each", flush=True)
                cells = [(task, seed) for task in tasks for seed in range(family.num_seeds)]
                _print_table(list(pool.map(partial(replay, name, method), *zip(*cells, strict=True))), len(tasks))


def _print_table(found: Sequence[Mapping[str, End]], num_tasks: int) -> None:
    fixed_TS = np.array([ends[FIXED].regret for ends in found]).reshape(num_tasks, -1)
    print(f"{'':16}{'regret':>14}{'to 40 trials':>20}{'trials':>16}{'trainings':>11}{'the next ten':>14}{'more':>7}")
    for rule in found[0]:
        ends = [it[rule] for it in found]
        regrets_TS = np.array([end.regret for end in ends]).reshape(num_tasks, -1)
        against = score.ratio(regrets_TS, fixed_TS)
        trials = [end.trials for end in ends]
        ahead = np.array([end.next_gain for end in ends if not math.isnan(end.next_gain)])
        print(
            f"{rule:16}{f'{score.interquartile_mean(regrets_TS):.3f} ({score.worst_decile(regrets_TS):.2f})':>14}"
            f"{f'{against.value:.2f} [{against.low:.2f}, {against.high:.2f}]':>20}"
            f"{f'{np.mean(trials):.1f} ({np.quantile(trials, 0.1):.0f}-{np.quantile(trials, 0.9):.0f})':>16}"
            f"{np.mean([end.trainings for end in ends]):>11.1f}{ahead.mean():>14.3f}{np.mean(ahead > GAIN):>7.0%}",
            flush=True,
        )


def rules(task: Task, *, is_pruned: bool) -> dict[str, Budget]:
    """Return the rules by what is printed."""
    stop_when = StopWhen(GAIN * (task.best - task.median), NEXT)
    found = {f"{number} trials": Budget(n_trials=number) for number in (20, 40, 60)}
    if not is_pruned:
        found |= {f"patience={number}": Budget(n_trials=MOST_TRIALS, patience=number) for number in (10, 20)}
    return found | {"stop_when": Budget(n_trials=MOST_TRIALS, stop_when=stop_when)}


def replay(family: str, method: str, task_name: str, seed: int) -> dict[str, End]:
    """Return where each rule ends a search; what follows the last ten trials is unknown: not a number."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = FAMILIES[family].tasks.task(task_name)
    searched = FAMILIES[family].methods()[method]
    studies: list[optuna.Study] = []
    ledger = Ledger()
    regrets: list[float] = []
    trainings: list[float] = []
    num_trials: dict[str, int] = {}
    limits = rules(task, is_pruned=method == "our default")
    for trial in searched.trials(task, seed, MOST_TRIALS, studies.append)(ledger):
        collections.deque(trial, maxlen=0)
        regrets.append(task.regret(ledger.best))
        trainings.append(ledger.epochs / task.num_steps)
        for rule in limits.keys() - num_trials.keys():
            if limits[rule].reason_to_stop(studies[0], started=0.0) is not None:
                num_trials[rule] = len(regrets)
    ends = {}
    for rule in limits:
        number = num_trials.get(rule, MOST_TRIALS)
        ahead = regrets[number - 1 + NEXT] if number + NEXT <= MOST_TRIALS else math.nan
        ends[rule] = End(regrets[number - 1], number, trainings[number - 1], regrets[number - 1] - ahead)
    return ends


if __name__ == "__main__":
    main()
