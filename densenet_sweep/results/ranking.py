"""The ranked trials of a study as plain values: the rows of every form of the leaderboard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from densenet_sweep.results import noise
from densenet_sweep.results.study import Direction, State, Study, Trial

if TYPE_CHECKING:
    from densenet_sweep.results.logged_metric import Metric

# The order of the leaderboard's parts, and of counts.
SHOWN_STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running")


@dataclass(frozen=True)
class Row:
    """One trial; `state` also marks trials on the Pareto front, and those too big to be trained.

    `origin` names the trial of another study that it was taken over from, the trial whose rung it continues from, or the
    trial that continues from it. `is_tied`: it is not significantly worse than the best. `metric`: of the requested metric.
    `standard_error`: of a mean over folds; `epochs` are then folds.
    """

    number: int
    values: list[float]
    params: dict[str, Any]
    num_parameters: int | None
    epochs: int | None
    seconds: float | None
    state: str
    is_complete: bool
    origin: str = ""
    is_tied: bool = False
    metric: float | None = None
    standard_error: float | None = None

    @property
    def state_and_origin(self) -> str:
        """The state, with the origin in brackets if there is one."""
        return f"{self.state} ({self.origin})" if self.origin else self.state


def rows(study: Study, metric: "Metric | None" = None) -> list[Row]:
    """Return complete trials best first (the Pareto front before the others), pruned ones by their last value, the rest.

    With a `metric`, each state is sorted by it; trials without a value come last.
    """
    sign = -1 if study.is_maximized else 1

    def key(trial: Trial) -> tuple[int, bool, float, int]:
        state = SHOWN_STATES.index(trial.state)
        if metric is not None:
            found = metric.values.get(trial.number)
            value = math.inf if found is None else -found if metric.is_larger_better else found
            return state, found is None, value, trial.number
        value = trial.values[0] if trial.values else math.inf * sign
        return state, trial.number not in study.front, sign * value, trial.number

    successors = study.successors()
    found = noise.estimate(study)
    tied = frozenset(found.tied) if found is not None else frozenset[int]()
    metrics = {} if metric is None else metric.values
    return [
        Row(
            number=trial.number,
            values=list(trial.values),
            params=dict(trial.params),
            num_parameters=trial.num_parameters,
            epochs=trial.last_step,
            seconds=trial.seconds,
            state="front" if trial.number in study.front else "too big" if trial.is_infeasible else trial.state,
            is_complete=trial.state == "complete",
            origin=_origin(trial, successors),
            is_tied=trial.number in tied,
            metric=metrics.get(trial.number),
            standard_error=trial.standard_error,
        )
        for trial in sorted(study.begun, key=key)
    ]


def pareto_front(trials: Sequence[Trial], directions: Sequence[Direction]) -> frozenset[int]:
    """Return the numbers of the complete trials that no other one dominates; none with one objective."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if len(directions) < 2 or not complete:
        return frozenset()
    losses = np.array([trial.values for trial in complete]) * [-1 if it == "maximize" else 1 for it in directions]
    return frozenset(
        trial.number
        for trial, own in zip(complete, losses, strict=True)
        if not ((losses <= own).all(axis=1) & (losses < own).any(axis=1)).any()
    )


def _origin(trial: Trial, successors: Mapping[int, int]) -> str:
    if trial.number in successors:
        return f"then {successors[trial.number]}"
    if trial.promoted_from is not None:
        return f"from {trial.promoted_from}"
    return trial.taken_over_from or ""
