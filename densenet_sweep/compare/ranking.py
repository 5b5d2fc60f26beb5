"""The trials of a study in order, as plain values: what every form of the leaderboard is made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from densenet_sweep.compare import noise
from densenet_sweep.sweep.best import REPEATS
from densenet_sweep.sweep.first_trials import WARM_START
from densenet_sweep.sweep.trial import PROMOTED

if TYPE_CHECKING:
    import optuna

    from densenet_sweep.compare.metric import Metric

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


@dataclass(frozen=True)
class Row:
    """One trial; `state` also says what stands out: on the Pareto front, or too big to be trained.

    `origin` names the trial of another study that it was taken over from, or the trial that it went on from after a rung, or
    as which it went on. `is_tied` where the trial cannot be told from the best; `metric` is the value of the metric that was
    asked for.
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

    @property
    def state_and_origin(self) -> str:
        """Both as people read them."""
        return f"{self.state} ({self.origin})" if self.origin else self.state


def objectives(study: "optuna.Study") -> list[str]:
    """Return the objectives' names, where the swept config has them under `objective`."""
    if study.user_attrs.get(REPEATS):  # a confirmation, whose runs are tested
        return ["test_accuracy"]
    named = study.user_attrs.get("config", {}).get("objective")
    names = [named] if isinstance(named, str) else named
    count = len(study.directions)
    if isinstance(names, list) and len(names) == count:
        return [str(name) for name in names]
    return ["value"] if count == 1 else [f"value {index}" for index in range(count)]


def parameters(study: "optuna.Study") -> list[str]:
    """Return the names of all that was searched, in order."""
    return sorted({name for trial in study.get_trials(deepcopy=False) if trial.state.name in STATES for name in trial.params})


def rows(study: "optuna.Study", metric: "Metric | None" = None) -> list[Row]:
    """Return complete trials best first (the Pareto front, where there is one), pruned ones by their last value, the rest.

    Where a `metric` is asked for, it is what best means; trials without one come after those that have it.
    """
    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1
    order = list(STATES)
    front = {trial.number for trial in study.best_trials} if len(study.directions) > 1 else set()

    def key(trial: "optuna.trial.FrozenTrial") -> tuple[int, bool, float, int]:
        state = order.index(trial.state.name)
        if metric is not None:
            found = metric.values.get(trial.number)
            value = math.inf if found is None else -found if metric.is_larger_better else found
            return state, found is None, value, trial.number
        value = trial.values[0] if trial.values else math.inf * sign
        return state, trial.number not in front, sign * value, trial.number

    trials = study.get_trials(deepcopy=False)
    shown = [trial for trial in trials if trial.state.name in STATES]
    successors = {trial.user_attrs[PROMOTED]["trial"]: trial.number for trial in shown if PROMOTED in trial.user_attrs}
    found = noise.of(study)
    tied = frozenset(found.tied) if found is not None else frozenset[int]()
    metrics = {} if metric is None else metric.values
    return [
        _row(trial, _state(trial, front), _origin(trial, successors), trial.number in tied, metrics.get(trial.number))
        for trial in sorted(shown, key=key)
    ]


def _row(trial: "optuna.trial.FrozenTrial", state: str, origin: str, is_tied: bool, metric: float | None) -> Row:
    return Row(
        number=trial.number,
        values=list(trial.values or []),
        params=dict(trial.params),
        num_parameters=trial.user_attrs.get("num_parameters"),
        epochs=max(trial.intermediate_values, default=None),
        seconds=trial.user_attrs.get("seconds"),
        state=state,
        is_complete=trial.state.name == "COMPLETE",
        origin=origin,
        is_tied=is_tied,
        metric=metric,
    )


def _state(trial: "optuna.trial.FrozenTrial", front: set[int]) -> str:
    if trial.number in front:
        return "front"
    is_too_big = str(trial.user_attrs.get("reason", "")).startswith("infeasible")
    return "too big" if is_too_big else STATES[trial.state.name]


def _origin(trial: "optuna.trial.FrozenTrial", successors: Mapping[int, int]) -> str:
    if trial.number in successors:
        return f"then {successors[trial.number]}"
    if PROMOTED in trial.user_attrs:
        return f"from {trial.user_attrs[PROMOTED]['trial']}"
    return str(trial.user_attrs.get(WARM_START, ""))
