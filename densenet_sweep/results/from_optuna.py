"""Reads an Optuna study into values; only this module knows which attributes the engine and the runs store."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.application import (
    AT_RUNGS,
    FOLDER,
    HELD_TO,
    LEASE,
    NUM_STEPS,
    PROMOTED,
    REPEATS,
    RUNG_SECONDS,
    RUNGS,
    SECONDS,
    STUDY_ID,
    WARM_START,
    passed_step,
)

from densenet_sweep.config.metrics import direction_of, full_name, on_test
from densenet_sweep.results.search_kept import attempts, kept_of_search
from densenet_sweep.results.study import Direction, Range, State, Study, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

STATES: Mapping[str, State] = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}


def read_study(study: "optuna.Study") -> Study:
    """Return the study as its storage holds it now."""
    ranges: dict[int, Range] = {}  # trials share their distributions, so each is read once
    directions = tuple(_direction(direction.name) for direction in study.directions)
    trials = study.get_trials(deepcopy=False)
    config = study.user_attrs.get("config", {})
    promoted = {trial.number: trial.user_attrs[PROMOTED] for trial in trials if PROMOTED in trial.user_attrs}
    passed = {number: kept["seconds"] for number, kept in promoted.items() if kept.get("seconds") is not None}
    is_repeated = bool(study.user_attrs.get(REPEATS))
    has_front = len(directions) > 1 and any(trial.state.name == "COMPLETE" for trial in trials)
    return Study(
        name=study.study_name,
        objectives=(_tested(config, directions),) if is_repeated else objective_names(config, len(directions)),
        directions=directions,
        trials=with_passed_seconds([_trial(trial, ranges) for trial in trials], passed),
        config=config,
        is_repeated=is_repeated,
        front=frozenset(trial.number for trial in study.best_trials) if has_front else frozenset(),
        images=study.user_attrs.get(HELD_TO, {}),
        id=study.user_attrs.get(STUDY_ID),
        **kept_of_search(study.user_attrs),
    )


def _direction(name: str) -> Direction:
    return "maximize" if name == "MAXIMIZE" else "minimize"


def _tested(config: Mapping[str, Any], directions: Sequence[Direction]) -> str:
    """Return the metric of a confirmation, whose runs are tested; an earlier version compared accuracies in any case."""
    [name, *_] = objective_names(config, len(directions))
    return on_test(name) if (direction_of(on_test(name)),) == tuple(directions) else "test_accuracy"


def objective_names(config: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Return the objectives' names from `objective` in the swept config, else placeholders."""
    named = config.get("objective")
    names = [named] if isinstance(named, str) else named
    if isinstance(names, list) and len(names) == count:
        return tuple(full_name(str(name)) for name in names)
    return ("value",) if count == 1 else tuple(f"value {index}" for index in range(count))


def _trial(trial: "FrozenTrial", ranges: dict[int, Range]) -> Trial:
    kept = trial.user_attrs
    # A copied trial has no run; one that a study of 0.1 had still names that of the original.
    of_run = {} if WARM_START in kept else kept
    uncertainty = kept.get("uncertainty", {})
    fold_values = tuple(kept.get("fold_values", ()))
    values = tuple(trial.values or ())
    if fold_values and trial.state.name == "PRUNED":  # Optuna's is that of the last fold alone
        values = (statistics.fmean(fold_values),)
    return Trial(
        number=trial.number,
        state=STATES[trial.state.name],
        values=values,
        params=trial.params,
        ranges={name: _range_once(distribution, ranges) for name, distribution in trial.distributions.items()},
        reports=trial.intermediate_values,
        at_rungs={int(step): value for step, value in kept.get(AT_RUNGS, {}).items()},  # JSON keys are strings
        fold_values=fold_values,
        num_parameters=kept.get("num_parameters"),
        num_valid=kept.get("num_valid"),
        num_test=kept.get("num_test"),
        deviation=uncertainty.get("deviation"),
        interval=(uncertainty["low"], uncertainty["high"]) if "low" in uncertainty else None,
        classes=tuple(kept.get("classes", ())),
        thresholds=tuple(kept.get("thresholds", ())),
        epochs=kept.get(NUM_STEPS),
        rungs=tuple(kept.get(RUNGS, ())),
        seconds=kept.get(SECONDS),
        rung_seconds=kept.get(RUNG_SECONDS, 0.0),
        run_id=of_run.get("mlflow_run_id"),
        record_key=of_run.get("record_key"),
        reason=kept.get("reason"),
        promoted_from=kept.get(PROMOTED, {}).get("trial"),
        passed_step=passed_step(trial),
        taken_over_from=kept.get(WARM_START),
        lease=kept.get(LEASE) if trial.state.name == "RUNNING" else None,
        folder=kept.get(FOLDER),
        attempts=attempts(kept.get(LEASE, {}), trial.datetime_complete),
        is_given="fixed_params" in trial.system_attrs and PROMOTED not in kept,
        start=trial.datetime_start,
        end=trial.datetime_complete,
    )


def with_passed_seconds(trials: Sequence[Trial], passed: Mapping[int, float]) -> tuple[Trial, ...]:
    """Return the trials with `passed_seconds`, known by number; of an earlier version's promoted ones add them to `seconds`."""
    completed: dict[int, Trial] = {}
    for trial in trials:
        if trial.number in passed:
            trial = replace(trial, passed_seconds=passed[trial.number])
        elif trial.is_own and trial.seconds is not None and trial.promoted_from in completed:
            before = completed[trial.promoted_from].seconds or 0.0
            trial = replace(
                trial, seconds=trial.seconds + before, rung_seconds=trial.rung_seconds + before, passed_seconds=before
            )
        completed[trial.number] = trial
    return tuple(completed.values())


def _range_once(distribution: "BaseDistribution", ranges: dict[int, Range]) -> Range:
    if id(distribution) not in ranges:
        ranges[id(distribution)] = range_from(distribution)
    return ranges[id(distribution)]


def range_from(distribution: Any) -> Range:
    """Return the range that one of Optuna's distributions describes."""
    if hasattr(distribution, "choices"):
        return Range(choices=tuple(distribution.choices))
    is_whole = type(distribution).__name__.startswith("Int")
    return Range(distribution.low, distribution.high, distribution.step, distribution.log, is_whole)


def distribution_from(values: Range) -> "BaseDistribution":
    """Return Optuna's distribution over a range: the inverse of `range_from`."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.choices:
        return CategoricalDistribution(values.choices)
    if values.is_whole:
        return IntDistribution(int(values.low), int(values.high), log=values.is_log, step=int(values.step or 1))
    return FloatDistribution(values.low, values.high, log=values.is_log, step=values.step)
