"""Whether training a promising configuration again with another seed pays during a search, or afterwards.

    python benchmarks/search_noise.py [--families lcbench ifbo] [--noise 0.1 0.2 0.4] [--samplers random TPE "our default"]

Searches are replayed on tasks whose noiseless values are known. A training's value is the noiseless one, plus the noise of its
seed, normal with a standard deviation of so many times the difference between the best known and the median random
configuration, plus that of 6,000 validation images, binomial and drawn anew for each training. Compared after as many full
trainings' worth of steps, repetitions included: searches without repetition, the same with their last trainings spent on more
seeds of the best configurations, as `densenet-sweep confirm` does, and rules that repeat during the search.

The score is that of the noiseless value of the configuration that each hands out: the interquartile mean of the normalised
regret (0 is the best known, 1 the median random configuration), in parentheses the worst decile; its ratios to the search
without repetition and to the same with one more seed of its three best ("confirmed"), with 95 % bootstrap intervals paired by
task; and overtuning, how often the configuration is truly worse than the first one, which was drawn at random. A last table for
each sampler takes all strengths of the noise together.
"""

import argparse
import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import optuna
from learning_curves import Curve
from replay import Ledger, run, sweep
from search import ifbo_prior, lcbench, methods, score
from search.task import Task, rng_of

TRAININGS = (10, 20, 40)  # full trainings' worth of steps after which a configuration is handed out
NUM_IMAGES = 6000
PLAIN = "no repetition"
CONFIRMED = "then 3 best, 1 seed"


class Family(NamedTuple):
    """Tasks of one kind; `unit` is their value of an accuracy of 1."""

    tasks: ModuleType
    unit: float
    num_seeds: int


FAMILIES = {"lcbench": Family(lcbench, 100.0, 2), "ifbo": Family(ifbo_prior, 1.0, 1)}


@dataclass(frozen=True)
class Noise:
    """The noise of a task's trainings, the same for the same configuration and repetition in each search with `seed`."""

    task: str
    deviation: float
    unit: float
    seed: int

    def add(self, values: Sequence[float], configuration: Mapping[str, Any], repetition: int) -> list[float]:
        """Return the values that a training shows, whose seed moves all of its curve by as much."""
        rng = rng_of(f"{self.task}, seed {self.seed}, repetition {repetition}", configuration)
        shift = self.deviation * rng.standard_normal()
        accuracies = np.clip(np.asarray(values) / self.unit, 0, 1)
        of_images = rng.binomial(NUM_IMAGES, accuracies) / NUM_IMAGES - accuracies
        shown: list[float] = (np.asarray(values) + shift + self.unit * of_images).tolist()
        return shown


@dataclass(frozen=True)
class Rule:
    """When a trial that looks better than the incumbent is trained again; it becomes the incumbent if its mean stays above.

    Attributes:
        max_seeds: of one configuration; 1 never repeats.
        margin: only a trial that leads by less is repeated, in standard deviations of the seeds.
        repeats_incumbent: the incumbent is trained as often as what may replace it.
        shows_each: the sampler sees each training as a trial, not the mean of a configuration.
    """

    max_seeds: int = 1
    margin: float = math.inf
    repeats_incumbent: bool = False
    shows_each: bool = False


RULES = {
    PLAIN: Rule(),
    "2 seeds": Rule(2),
    "3 seeds": Rule(3),
    "2 seeds, within 1 deviation": Rule(2, margin=1),
    "2 seeds, within 2 deviations": Rule(2, margin=2),
    "2 seeds, incumbent too": Rule(2, repeats_incumbent=True),
    "3 seeds, incumbent too": Rule(3, repeats_incumbent=True),
    "2 seeds, each shown": Rule(2, shows_each=True),
    "3 seeds, each shown": Rule(3, shows_each=True),
}


class Confirmation(NamedTuple):
    """The last trainings of a budget, spent on more seeds of the `top` best; `is_fresh`: the mean leaves out the search's."""

    top: int
    num_seeds: int
    is_fresh: bool = False


CONFIRMATIONS = {
    "then 2 best, 1 seed": Confirmation(2, 1),
    CONFIRMED: Confirmation(3, 1),
    "then 3 best, 2 seeds": Confirmation(3, 2),
    "then 3 best, 1 fresh seed": Confirmation(3, 1, is_fresh=True),
    "then 3 best, 2 fresh seeds": Confirmation(3, 2, is_fresh=True),
    "then 3 best, 5 fresh seeds": Confirmation(3, 5, is_fresh=True),
}


@dataclass
class Trained:
    """A configuration: its parameters, its noiseless value, and what each of its complete trainings showed and ended after."""

    parameters: Mapping[str, Any]
    truth: float
    shown: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def mean(self, within: float = math.inf) -> float:
        """Return the mean of the trainings that ended within so many steps; minus infinity if there is none."""
        values = [value for value, end in zip(self.shown, self.ends, strict=True) if end <= within]
        return sum(values) / len(values) if values else -math.inf


class Search:
    """One search of a task under a rule.

    Attributes:
        trained: all configurations with a complete training, the first first.
        incumbents: each with the steps that had been spent when it became the incumbent.
    """

    def __init__(self, task: Task, noise: Noise, rule: Rule) -> None:
        self._task, self._noise, self._rule = task, noise, rule
        self.trained: list[Trained] = []
        self.incumbents: list[tuple[int, Trained]] = []

    def replay(self, sampler: methods.Section, pruner: methods.Section, num_trainings: int, seed: int) -> None:
        """Search for so many trainings' worth of steps, with one worker."""
        num_steps = self._task.num_steps
        trials = sweep(
            self._look_up, self._task.space, sampler, pruner, num_epochs=num_steps, seed=seed, repetition=self._repeat,
        )  # fmt: skip
        run(trials, num_workers=1, max_epochs=num_trainings * num_steps)

    def handed_out(self, num_trainings: int) -> Trained | None:
        """Return the incumbent after so many trainings' worth of steps; None before any."""
        within = [it for steps, it in self.incumbents if steps <= num_trainings * self._task.num_steps]
        return within[-1] if within else None

    def confirmed(self, how: Confirmation, num_trainings: int) -> Trained | None:
        """Return the same where the last trainings are spent on a confirmation; None if that leaves none before it."""
        before = (num_trainings - how.top * how.num_seeds) * self._task.num_steps
        complete = [it for it in self.trained if it.mean(before) > -math.inf]
        finalists = sorted(complete, key=lambda it: -it.mean(before))[: how.top]
        return max(finalists, key=lambda it: self._confirmed_mean(it, how, before), default=None)

    def _confirmed_mean(self, it: Trained, how: Confirmation, before: float) -> float:
        seeds = range(1000, 1000 + how.num_seeds)  # none that the search used
        fresh = [self._noise.add([it.truth], it.parameters, seed)[0] for seed in seeds]
        kept = [] if how.is_fresh else [value for value, end in zip(it.shown, it.ends, strict=True) if end <= before]
        return float(np.mean([*kept, *fresh]))

    def _look_up(self, parameters: Mapping[str, Any]) -> list[Curve]:
        curve = self._task.curves(parameters)[-1]
        return [Curve(self._noise.add(curve.values, parameters, 0), curve.seconds)]

    def _repeat(self, study: optuna.Study, trial: optuna.Trial, value: float, ledger: Ledger) -> Generator[float, None, float]:
        """Train a complete trial again as the rule says; return what the sampler sees."""
        challenger = Trained(dict(trial.params), self._task.curves(trial.params)[-1].values[-1], [value], [ledger.epochs])
        self.trained.append(challenger)
        incumbent = self.incumbents[-1][1] if self.incumbents else None
        while incumbent is not None and (repeated := self._next(challenger, incumbent)) is not None:
            for _ in range(self._task.num_steps):
                yield 1.0
                ledger.epochs += 1
            repeated.shown.append(self._noise.add([repeated.truth], repeated.parameters, len(repeated.shown))[0])
            repeated.ends.append(ledger.epochs)
            if repeated is challenger and self._rule.shows_each:
                values = {"params": trial.params, "distributions": trial.distributions, "value": repeated.shown[-1]}
                study.add_trial(optuna.trial.create_trial(**values))
        if incumbent is None or challenger.mean() > incumbent.mean():
            self.incumbents.append((ledger.epochs, challenger))
        return value if self._rule.shows_each else challenger.mean()

    def _next(self, challenger: Trained, incumbent: Trained) -> Trained | None:
        """Return which of the two is trained next; None once it is decided."""
        lead = challenger.mean() - incumbent.mean()
        if not 0 < lead < self._rule.margin * self._noise.deviation:
            return None
        rivals = [challenger, incumbent] if self._rule.repeats_incumbent else [challenger]
        fewest = min(rivals, key=lambda it: len(it.shown))
        return fewest if len(fewest.shown) < self._rule.max_seeds else None


class Outcome(NamedTuple):
    """What a search hands out: its regret, and whether it is truly worse than the first configuration."""

    regret: float
    is_overtuned: bool


def outcomes(search: Search, task: Task, confirmations: Mapping[str, Confirmation]) -> dict[tuple[str, int], Outcome]:
    """Return the outcomes of a search by confirmation ("" is none) and number of trainings."""
    first = search.trained[0].truth
    found = {}
    for number in TRAININGS:
        chosen = {"": search.handed_out(number)}
        chosen |= {name: search.confirmed(how, number) for name, how in confirmations.items()}
        for name, it in chosen.items():
            found[name, number] = Outcome(math.nan, False) if it is None else Outcome(task.regret(it.truth), it.truth < first)
    return found


def confirmed_after(rule: str) -> dict[str, Confirmation]:
    """Return the confirmations that are tried after the searches of a rule, by the names of their rows."""
    if rule == PLAIN:
        return CONFIRMATIONS
    return {f"{rule}, {CONFIRMED}": CONFIRMATIONS[CONFIRMED]}


def tried(sampler: str) -> dict[str, Rule]:
    """Return the rules that are tried with a sampler, which sees no values if it is random search."""
    if sampler == "random":
        return {name: rule for name, rule in RULES.items() if not rule.shows_each}
    if sampler == "TPE":
        return {name: rule for name, rule in RULES.items() if math.isinf(rule.margin) and name != "3 seeds"}
    return {name: RULES[name] for name in (PLAIN, "2 seeds", "3 seeds, incumbent too")}


def remembered(task: Task) -> Task:
    """Return the task with its curves kept in memory: the same configurations are looked up in many searches."""
    known: dict[tuple[Any, ...], Sequence[Curve]] = {}

    def curves(parameters: Mapping[str, Any]) -> Sequence[Curve]:
        key = tuple(sorted(parameters.items()))
        if key not in known:
            known[key] = task.curves(parameters)
        return known[key]

    return Task(task.name, task.space, task.num_steps, curves, task.best, task.median)


def ends_only(task: Task) -> Task:
    """Return the task in steps of whole trainings, for searches that stop none."""

    def curves(parameters: Mapping[str, Any]) -> list[Curve]:
        return [Curve(task.curves(parameters)[-1].values[-1:], [1.0])]

    return Task(task.name, task.space, 1, curves, task.best, task.median)


def of_task(
    family: Family, name: str, shares: Sequence[float], samplers: Sequence[str], num_seeds: int
) -> dict[tuple[float, str, str, int], list[Outcome]]:
    """Return the outcomes of each seed by noise, sampler, rule or confirmation, and number of trainings."""
    whole = remembered(family.tasks.task(name))
    known = methods.of_plain_tasks()
    found: dict[tuple[float, str, str, int], list[Outcome]] = {}
    for share in shares:
        for sampler in samplers:
            method = known[sampler]
            stops = method.pruner["_target_"] != known["TPE"].pruner["_target_"]
            task = whole if stops else ends_only(whole)
            for rule_name, rule in tried(sampler).items():
                for seed in range(num_seeds):
                    noise = Noise(name, share * (task.best - task.median), family.unit, seed)
                    search = Search(task, noise, rule)
                    search.replay(method.sampler, method.pruner, TRAININGS[-1], seed)
                    for (confirmation, number), outcome in outcomes(search, task, confirmed_after(rule_name)).items():
                        found.setdefault((share, sampler, confirmation or rule_name, number), []).append(outcome)
    return found


def main() -> None:
    """Replay everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--noise", nargs="+", type=float, default=(0.1, 0.2, 0.4))
    parser.add_argument("--samplers", nargs="+", choices=("random", "TPE", "our default"), default=("random", "TPE"))
    parser.add_argument("--seeds", type=int, help="of a task, in place of the family's own number")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in arguments.families:
        family = FAMILIES[name]
        try:
            names = family.tasks.names()
        except FileNotFoundError as missing:
            print(f"\n{name} is left out: {missing}", flush=True)
            continue
        began = time.perf_counter()
        num_seeds = arguments.seeds or family.num_seeds
        by_task = [of_task(family, it, arguments.noise, arguments.samplers, num_seeds) for it in names]
        print(f"\n{name}: {len(names)} tasks, {num_seeds} seeds each, {time.perf_counter() - began:.0f} s", flush=True)
        for sampler in arguments.samplers:
            for shares in (*([it] for it in arguments.noise), arguments.noise):
                _print_tables(sampler, shares, by_task)


def _print_tables(
    sampler: str, shares: Sequence[float], by_task: Sequence[Mapping[tuple[float, str, str, int], list[Outcome]]]
) -> None:
    """Print a table for each number of trainings; several strengths of the noise count as so many seeds more."""
    names = dict.fromkeys(name for share, of, name, _ in by_task[0] if (share, of) == (shares[0], sampler))
    for number in TRAININGS:
        heading = f"{sampler}, noise {' '.join(f'{it:g}' for it in shares)}, {number} trainings"
        print(f"\n{heading:50}{'regret':>14}{f'to {PLAIN}':>22}{'to confirmed':>22}{'overtuned':>11}")
        cells = {
            name: [[it for share in shares for it in found[share, sampler, name, number]] for found in by_task]
            for name in names
        }
        regrets_TS = {name: np.array([[it.regret for it in seeds] for seeds in tasks]) for name, tasks in cells.items()}
        for name, ours_TS in regrets_TS.items():
            if np.isnan(ours_TS).any():  # no training was left for the search
                continue
            text = f"{score.interquartile_mean(ours_TS):.3f} ({score.worst_decile(ours_TS):.2f})"
            ratios = [score.ratio(ours_TS, regrets_TS[other]) for other in (PLAIN, CONFIRMED)]
            shown = "".join(f"{f'{it.value:.2f} [{it.low:.2f}, {it.high:.2f}]':>22}" for it in ratios)
            overtuned = np.mean([it.is_overtuned for seeds in cells[name] for it in seeds])
            print(f"{name:50}{text:>14}{shown}{overtuned:11.1%}", flush=True)


if __name__ == "__main__":
    main()
