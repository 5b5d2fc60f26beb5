"""Sweeps replayed on recorded learning curves: real samplers and pruners, values from a table, a simulated clock.

A trial begins when a worker is free, reports each epoch when its recorded seconds have passed, and ends as it would in a
sweep: complete with its last epoch's value, pruned, or failed where the training diverged.
"""

import heapq
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from hydra_async_sweeper.space.search_space import Space
from hydra_async_sweeper.study import build
from hydra_async_sweeper.study.auto_pruner import sampler_section
from hydra_async_sweeper.study.promotion import PromotionPruner, promotion_of
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNGS
from learning_curves import Curve

# A worker's next job: yields the seconds of an epoch, and resumes when they have passed.
Job = Iterator[float]


@dataclass(frozen=True)
class Improvement:
    """A new incumbent: a complete trial better than all before it, and what all workers had spent when it ended."""

    epochs: int
    seconds: float
    value: float


@dataclass(frozen=True)
class Pick:
    """The trial with the best value after any step so far, what all workers had spent, and the last value of its training."""

    epochs: int
    value: float
    end: float


@dataclass
class Ledger:
    """What a replay has spent, and its incumbents: the values of the best complete trials so far.

    `picks` are the best of all trials instead, by their best value after any step.
    """

    epochs: int = 0
    seconds: float = 0.0
    improvements: list[Improvement] = field(default_factory=list)
    picks: list[Pick] = field(default_factory=list)

    def report(self, value: float, end: float) -> None:
        """Record the value after any step of a trial whose training ends with `end`, if it is run to its end."""
        if not self.picks or value > self.picks[-1].value:
            self.picks.append(Pick(self.epochs, value, end))

    def complete(self, value: float) -> None:
        """Record a complete trial."""
        if value > self.best:
            self.improvements.append(Improvement(self.epochs, self.seconds, value))

    @property
    def best(self) -> float:
        """The best value so far; minus infinity before any."""
        return self.improvements[-1].value if self.improvements else -math.inf

    def best_within(self, epochs: float) -> float:
        """Return the incumbent's value after so many epochs of all workers together."""
        return max((it.value for it in self.improvements if it.epochs <= epochs), default=-math.inf)

    def pick_within(self, epochs: float) -> float:
        """Return what the pick after so many epochs would end with; the epochs that it lacks are not counted."""
        return next((it.end for it in reversed(self.picks) if it.epochs <= epochs), -math.inf)

    def reached(self, value: float) -> tuple[float, float]:
        """Return the epochs and seconds until the incumbent was at least `value`; infinite if it never was."""
        return next(((it.epochs, it.seconds) for it in self.improvements if it.value >= value), (math.inf, math.inf))


# What follows a complete training, its study, trial and value, before the trial ends: a `Job` that returns the trial's value.
Repetition = Callable[[optuna.Study, optuna.Trial, float, Ledger], Generator[float, None, float]]


def sweep(
    look_up: Callable[[Mapping[str, Any]], Sequence[Curve]],
    space: Space,
    sampler: Mapping[str, Any],
    pruner: Mapping[str, Any],
    *,
    num_epochs: int,
    seed: int,
    rungs: Sequence[int] = (),
    enqueue: Sequence[Mapping[str, Any]] = (),
    n_trials: float = math.inf,
    resumes: bool = False,
    annotates: bool = False,
    repetition: Repetition | None = None,
    opened: Callable[[optuna.Study], None] = lambda _: None,
) -> Callable[[Ledger], Iterator[Job]]:
    """Return the trials of a sweep, one after the other, as the engine's workers run them.

    Args:
        look_up: parameters to the curves of a trial's trainings: those of its rungs, the shortest first, and the whole one.
        space: what is searched.
        sampler: its config section; built anew for each trial from the seed and the trials so far, as a worker does.
        pruner: its config section.
        num_epochs: of a complete trial.
        seed: in place of the section's own.
        rungs: epochs of the short trainings before a trial's full one.
        enqueue: configurations to try first.
        n_trials: trials after which the sweep ends.
        resumes: a promoted trial without rungs continues from its predecessor's last step, and does not begin anew.
        annotates: each trial says how many epochs it will report.
        repetition: trains a complete trial's configuration again, or not.
        opened: called with the study before its first trial.
    """

    def trials(ledger: Ledger) -> Iterator[Job]:
        study = optuna.create_study(study_name=f"replay-{seed}", direction="maximize")
        opened(study)
        for parameters in enqueue:
            study.enqueue_trial(dict(parameters))
        number = 0
        while number < n_trials:
            study.pruner = build.pruner(pruner, num_objectives=1)
            section = sampler_section(study, build.reseeded({**sampler, "seed": seed}, number))
            study.sampler = build.sampler(section, space)
            if isinstance(study.pruner, PromotionPruner):
                study.pruner.num_left = n_trials - number
                promoted = study.pruner.promotable(study)
                if promoted is not None:
                    study.add_trial(promotion_of(promoted))
            trial = study.ask(space.distributions())
            trial.set_user_attr(RUNGS, list(rungs))
            if annotates:
                trial.set_user_attr(NUM_STEPS, num_epochs)
            passed = trial.user_attrs.get(PROMOTED, {"step": 0})["step"]
            num_passed = sum(rung <= passed for rung in rungs)
            curves = look_up(trial.params)[num_passed:]
            first = passed if resumes and not rungs else 0
            yield _trial(study, trial, curves, rungs[num_passed:], num_epochs, ledger, first, repetition)
            number += 1

    return trials


def _trial(
    study: optuna.Study,
    trial: optuna.Trial,
    curves: Sequence[Curve],
    rungs: Sequence[int],
    num_epochs: int,
    ledger: Ledger,
    first: int,
    repetition: Repetition | None,
) -> Job:
    """Train as `train.py` does: the rungs, each a separate training judged at its end, then the whole training.

    Without rungs, its own or those of the trial that it continues, it is judged after each epoch, from `first` on.
    """
    passed = trial.user_attrs.get(PROMOTED, {"step": 0})["step"]
    whole = curves[-1].values
    end = whole[-1] if len(whole) == num_epochs else -math.inf
    for curve, rung in zip(curves, [*rungs, num_epochs], strict=True):
        for index, seconds in enumerate(curve.seconds[first:], first):
            yield seconds
            ledger.epochs += 1
            if index == len(curve.values):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return
            ledger.report(curve.values[index], end)
            is_judged = index + 1 == rung or (not trial.user_attrs[RUNGS] and index + 1 > passed)
            if is_judged:
                trial.report(curve.values[index], step=index + 1)
            if index + 1 == num_epochs:
                value = curve.values[index]
                if repetition is not None:
                    value = yield from repetition(study, trial, value, ledger)
                study.tell(trial, value)
                ledger.complete(value)
            elif is_judged and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return


def one_epoch_then_best(
    curves: Sequence[Curve], *, num_first: int, k: int, num_epochs: int, seed: int
) -> Callable[[Ledger], Iterator[Job]]:
    """Return the jobs of the plain baseline: `num_first` random configurations for one epoch, then the best `k` to the end.

    The chosen ones continue from their first epoch, the best first; then new random ones follow. A worker that finds no first
    epoch left continues the best configuration known so far.
    """

    def jobs(ledger: Ledger) -> Iterator[Job]:
        order = np.random.default_rng(seed).permutation(len(curves))
        for start in range(0, len(order), num_first):
            finished: list[Curve] = []
            for index in order[start : start + num_first]:
                yield _first_epoch(curves[index], finished, ledger)
            for _ in range(min(k, len(finished))):
                finished.sort(key=lambda curve: curve.values[0])
                yield _other_epochs(finished.pop(), num_epochs, ledger)

    return jobs


def _first_epoch(curve: Curve, finished: list[Curve], ledger: Ledger) -> Job:
    yield curve.seconds[0]
    ledger.epochs += 1
    if curve.values:
        finished.append(curve)


def _other_epochs(curve: Curve, num_epochs: int, ledger: Ledger) -> Job:
    for seconds in curve.seconds[1:]:
        yield seconds
        ledger.epochs += 1
    if len(curve.values) == num_epochs:
        ledger.complete(curve.values[-1])


def run(jobs: Callable[[Ledger], Iterator[Job]], *, num_workers: int, max_epochs: int, enough: float = math.inf) -> Ledger:
    """Run jobs on simulated workers until they have spent `max_epochs` together or found a value of `enough`."""
    ledger = Ledger()
    waiting = jobs(ledger)
    busy: list[tuple[float, int, Job]] = [(0.0, worker, iter(())) for worker in range(num_workers)]
    while busy and ledger.epochs < max_epochs and ledger.best < enough:
        ledger.seconds, worker, job = heapq.heappop(busy)
        seconds = next(job, None)
        if seconds is None:  # the job is over
            job = next(waiting, iter(()))
            seconds = next(job, None)
        if seconds is not None:
            heapq.heappush(busy, (ledger.seconds + seconds, worker, job))
    return ledger
