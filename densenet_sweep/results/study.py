"""A study and its trials as frozen values: the currency of every table, picture and verdict.

Knows neither Optuna nor MLflow; `from_optuna` and `from_mlflow` make these values.
"""

import datetime
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["complete", "pruned", "failed", "running", "waiting"]
Direction = Literal["minimize", "maximize"]

# Prefix of the reason of a trial that exceeded a limit and was not trained.
_INFEASIBLE = "infeasible"


@dataclass(frozen=True)
class Range:
    """The values that a parameter was searched over: the numbers from `low` to `high`, or the listed `choices`.

    Attributes:
        low: the smallest number; 0 for choices.
        high: the largest number, included; 0 for choices.
        step: between neighbours; None for a continuous range and for choices.
        is_log: searched on a logarithmic scale.
        is_whole: whole numbers only.
        choices: empty for a range of numbers.
    """

    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    is_log: bool = False
    is_whole: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers, in a range or as choices."""
        return all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in self.choices)

    def holds(self, value: Any) -> bool:
        """Return whether `value` is one of the choices, or between the smallest and the largest number."""
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Attempt:
    """The time for which one worker ran a trial.

    Attributes:
        host: of the worker.
        pid: of its process.
        process_start: tells processes of the same number apart; None if unknown.
        gpu: the devices that it saw; None for all, or none.
        start: in the host's local time.
        end: when the trial ended or, of an earlier attempt, when the worker last showed a sign of life.
        died: whether it ended with its worker's death, or its task's exit.
    """

    host: str
    pid: int
    process_start: float | None
    gpu: str | None
    start: datetime.datetime
    end: datetime.datetime
    died: bool = False


@dataclass(frozen=True)
class Search:
    """The settings of a search, from one of its starts on.

    Attributes:
        since_trial: the number of trials that had begun by then.
        options: of `hydra.sweeper` by name; one that is null is missing.
        defaults: the config's own values of the searched parameters.
        optuna: its version.
    """

    since_trial: int
    options: Mapping[str, Any]
    defaults: Mapping[str, Any]
    optuna: str


@dataclass(frozen=True)
class Trial:
    """One trial of a study.

    Attributes:
        number: in its study, from 0.
        state: what became of it.
        values: one per objective; empty without a result. A pruned trial's value is its last report.
        params: the searched values, by override path.
        ranges: what each of `params` was searched over.
        reports: the first objective by epoch, by rung where it was judged after rungs, or by fold.
        fold_values: the first objective on each fold that has ended, in order; empty without folds.
        at_rungs: the first objective after those epochs of the training for which `reports` has a rung's value instead.
        num_parameters: of its network.
        num_valid: validation images.
        num_test: test images, of a final run.
        deviation: standard deviation of the first of `values` from the number of images, by bootstrap; None if unknown.
        interval: the middle 95 % of the bootstrap; None if unknown.
        classes: the results of each class, with the name as "class"; empty if unknown.
        thresholds: that it chose on its validation images, by the outputs of the network; empty where it chose none.
        epochs: planned; None if only a time limit applies. With folds, their number.
        rungs: lengths of the short trainings before it, in epochs.
        seconds: of training over all attempts, with its rungs and those of the trial it continues from.
        rung_seconds: the part of `seconds` that rungs took.
        passed_seconds: the part of `rung_seconds` that the trial it continues from took.
        run_id: of its run in MLflow.
        record_key: finds its run in MLflow if the id is not known.
        reason: why it failed or was pruned.
        promoted_from: the number of the trial whose rung it continues from.
        passed_step: the last rung that it skips, as that trial has trained it.
        taken_over_from: "study/number" of the trial in another study that it copies.
        lease: of a running trial's worker: its host, process and GPU.
        folder: below the sweep's; None for its number.
        attempts: of the trial, in order; empty for an older version's, and one read from MLflow.
        is_given: the user gave its configuration, instead of the sampler; not so for one that continues another.
        start: local time of its first attempt.
        end: local time of its end.
    """

    number: int
    state: State
    values: tuple[float, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    reports: Mapping[int, float] = field(default_factory=dict)
    at_rungs: Mapping[int, float] = field(default_factory=dict)
    fold_values: tuple[float, ...] = ()
    num_parameters: int | None = None
    num_valid: int | None = None
    num_test: int | None = None
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    classes: tuple[Mapping[str, Any], ...] = ()
    thresholds: tuple[float, ...] = ()
    epochs: int | None = None
    rungs: tuple[int, ...] = ()
    seconds: float | None = None
    rung_seconds: float = 0.0
    passed_seconds: float = 0.0
    run_id: str | None = None
    record_key: str | None = None
    reason: str | None = None
    promoted_from: int | None = None
    passed_step: int = 0
    taken_over_from: str | None = None
    lease: Mapping[str, Any] | None = None
    folder: str | None = None
    attempts: tuple[Attempt, ...] = ()
    is_given: bool = False
    start: datetime.datetime | None = None
    end: datetime.datetime | None = None

    def folder_in(self, sweep_dir: Path) -> Path:
        """Return its folder, which a trial without files need not have."""
        return sweep_dir / (self.folder or str(self.number))

    @property
    def standard_error(self) -> float | None:
        """The standard error of the mean over the folds; None without two."""
        num_folds = len(self.fold_values)
        return statistics.stdev(self.fold_values) / math.sqrt(num_folds) if num_folds > 1 else None

    @property
    def last_step(self) -> int | None:
        """The last epoch (or rung, or fold) that it reported."""
        return max(self.reports, default=None)

    @property
    def own_seconds(self) -> float | None:
        """The part of `seconds` that it took itself, so that the sum over trials counts no rung twice."""
        return None if self.seconds is None else self.seconds - self.passed_seconds

    @property
    def seconds_without_rungs(self) -> float | None:
        """The seconds of training after the rungs, or those of the rungs if it got no further."""
        if self.seconds is None:
            return None
        return self.seconds - self.rung_seconds if self.seconds > self.rung_seconds else self.seconds

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in ("complete", "pruned", "failed")

    @property
    def is_infeasible(self) -> bool:
        """Whether it exceeded a limit and was not trained."""
        return (self.reason or "").startswith(_INFEASIBLE)

    @property
    def is_own(self) -> bool:
        """Whether the study ran it itself, instead of taking it over from another one."""
        return self.taken_over_from is None


@dataclass(frozen=True)
class Study:
    """A study as its storage held it when it was read.

    Attributes:
        name: unique in its storage.
        objectives: their names, in order; `value` where the application does not name them.
        directions: one per objective.
        trials: by number.
        config: the values that were not searched, by override path.
        is_repeated: its trials repeat given configurations, so none is the best.
        front: the numbers of the trials on the Pareto front; empty with one objective.
        images: digests of its images, by how they are read; empty for an older version's, and one read from MLflow.
        space: the range of each searched parameter, also of one that no trial had; empty if unknown.
        conditions: of the parameters that are searched beside certain values of others: these values, by parameter.
        searches: how it was searched, by start; empty for an older version's, and one read from MLflow.
        note: a sentence about where it was read from and what it lacks; None for a study read from its storage.
        id: tells it from others of its name; None for a study of 0.1.
    """

    name: str
    objectives: tuple[str, ...]
    directions: tuple[Direction, ...]
    trials: tuple[Trial, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    is_repeated: bool = False
    front: frozenset[int] = frozenset()
    images: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, Range] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    searches: tuple[Search, ...] = ()
    note: str | None = None
    id: str | None = None

    @property
    def has_folds(self) -> bool:
        """Whether its trials are cross-validated, so that they report by fold."""
        return any(trial.fold_values for trial in self.trials)

    @property
    def step(self) -> str:
        """What its trials report after: an epoch, or a fold."""
        return "fold" if self.has_folds else "epoch"

    @property
    def is_maximized(self) -> bool:
        """Whether the first objective is maximized."""
        return self.directions[0] == "maximize"

    @property
    def has_one_objective(self) -> bool:
        """Whether there is one objective, so that one trial can be the best."""
        return len(self.directions) == 1

    @property
    def parameters(self) -> list[str]:
        """The names of all parameters of the trials that have begun, sorted."""
        return sorted({name for trial in self.begun for name in trial.params})

    @property
    def begun(self) -> list[Trial]:
        """The trials that have begun."""
        return [trial for trial in self.trials if trial.state != "waiting"]

    @property
    def finished(self) -> list[Trial]:
        """The trials that have ended: complete, pruned and failed ones."""
        return [trial for trial in self.trials if trial.is_finished]

    @property
    def complete(self) -> list[Trial]:
        """The complete trials."""
        return self.in_state("complete")

    def in_state(self, *states: State) -> list[Trial]:
        """Return the trials that are in one of `states`."""
        return [trial for trial in self.trials if trial.state in states]

    def successors(self) -> dict[int, int]:
        """Return the number of each promoted trial, mapped to that of the trial that continues from it."""
        return {trial.promoted_from: trial.number for trial in self.begun if trial.promoted_from is not None}


def range_of(name: str, trials: Sequence[Trial]) -> Range:
    """Return the range of the parameter `name` in the last of `trials` that has it."""
    return next(trial.ranges[name] for trial in reversed(trials) if name in trial.ranges)
