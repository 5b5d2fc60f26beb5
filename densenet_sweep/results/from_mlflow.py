"""Reads a study from its runs in MLflow, for use where its storage cannot be read.

It lacks the values of all epochs but the last, and the trials that had not begun.
"""

import ast
import contextlib
import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.application import (
    contains,
    is_search,
    read_space,
)
from hydra_async_sweeper.readable import numbered

from densenet_sweep.config.metrics import DEVIATION, direction_of, full_name
from densenet_sweep.counts import counted
from densenet_sweep.results.from_optuna import objective_names, range_from, with_passed_seconds
from densenet_sweep.results.ranking import pareto_front
from densenet_sweep.results.study import Direction, Range, State, Study, Trial
from densenet_sweep.tracking.mlflow_private import last_step, last_steps
from densenet_sweep.tracking.study_runs import STUDY_ID_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run

# States by the tag `trial.state`; a run without one counts as waiting.
_STATES: Mapping[str, State] = {"complete": "complete", "pruned": "pruned", "failed": "failed", "running": "running"}


def read_study(parent: "Run", runs: "Sequence[Run]", why: str) -> Study:
    """Return the study, with its trials' original numbers.

    Args:
        parent: the sweep's own run.
        runs: of its trials; if a trial has several, the one begun last counts.
        why: the reason for not reading the storage, for the study's note.
    """
    by_number = {int(run.data.tags["trial.number"]): run for run in sorted(runs, key=lambda run: run.info.start_time)}
    objectives = parent.data.tags.get("study.objectives", "").split() or _objectives(list(by_number.values()))
    given = parent.data.tags.get("study.directions", "").split()
    directions = tuple(map(_direction, given)) or tuple(direction_of(it) for it in objectives)
    searched = {key: text for key, text in parent.data.params.items() if is_search(text)}
    of_data = {key: value for run in [*by_number.values()][:1] for key, value in _data(run).items() if key not in searched}
    config = {"objective": objectives[0] if len(objectives) == 1 else objectives, **of_data}
    note = f"Read from the runs in MLflow, without rank correlations: {why}."
    ranges = {key: _range(key, text, list(by_number.values())) for key, text in searched.items()}
    trials = [
        _trial(number, by_number[number], objectives, ranges) if number in by_number else Trial(number, "waiting")
        for number in range(1 + max(by_number, default=-1))
    ]
    passed = {
        trial.number: by_number[trial.number].data.metrics["passed_seconds"]
        for trial in trials
        if trial.promoted_from is not None and "passed_seconds" in by_number[trial.number].data.metrics
    }
    return Study(
        name=parent.data.tags["study"],
        objectives=objective_names(config, len(directions)),
        directions=directions,
        trials=with_passed_seconds(trials, passed),
        config=config,
        front=pareto_front(trials, directions),
        space={key: found for key, text in searched.items() if (found := _written(key, text, list(by_number.values())))},
        conditions={key: when for key, text in searched.items() if (when := _condition(text))},
        note=" ".join([note, *_incomplete(parent, by_number)]),
        id=parent.data.tags.get(STUDY_ID_TAG),
    )


def _direction(text: str) -> Direction:
    return "maximize" if text == "maximize" else "minimize"


def _incomplete(parent: "Run", by_number: "Mapping[int, Run]") -> list[str]:
    """Return sentences about what MLflow is known to lack."""
    from densenet_sweep.tracking.run import INCOMPLETE

    said = []
    if missing := sorted(set(range(1 + max(by_number, default=-1))) - set(by_number)):
        said.append(f"MLflow has no run of {numbered(missing)}.")
    if partial := sorted(number for number, run in by_number.items() if INCOMPLETE in run.data.tags):
        said.append(f"Of {numbered(partial)} it has only what the study knew.")
    ended = [run for run in by_number.values() if run.data.tags.get("trial.state") in ("complete", "pruned", "failed")]
    n_trials = parent.data.tags.get("n_trials", "")
    if parent.info.status == "RUNNING" and n_trials.isdigit() and len(ended) < int(n_trials):
        of_all = f"{len(ended)} of {counted(int(n_trials), 'trial')}"
        said.append(f"Ended, as far as it knows: {of_all}; the best may be missing.")
    return said


def _objectives(runs: "Sequence[Run]") -> list[str]:
    """Return the objectives' names, which each trial's run has among its parameters."""
    for run in runs:
        text = run.data.params.get("objective", "")
        if text:
            return [full_name(name.strip(" '\"")) for name in text.strip("[]").split(",")]
    return ["valid_accuracy"]


def _data(run: "Run") -> dict[str, Any]:
    """Return the section `data` of a run's config; its `_target_` comes from the source of the run's data sets."""
    found = {key: _parsed(value) for key, value in run.data.params.items() if key.startswith("data.")}
    for used in run.inputs.dataset_inputs if run.inputs else ():
        with contextlib.suppress(ValueError, KeyError):
            found["data._target_"] = json.loads(used.dataset.source)["function"]
    return found


def _trial(number: int, run: "Run", objectives: Sequence[str], ranges: Mapping[str, Range]) -> Trial:
    metrics, tags, params = run.data.metrics, run.data.tags, run.data.params
    state = _STATES.get(tags.get("trial.state", ""), "waiting")
    num_folds = _whole(params.get("data.folds", ""))
    fold_values = _fold_values(run, objectives[0], num_folds or 0)
    epoch = last_step(run)
    first = metrics.get(objectives[0])
    values = tuple(metrics[name] for name in objectives if name in metrics and not math.isnan(metrics[name]))
    if len(values) < len(objectives):
        values = ()
        if state == "complete":  # its metrics were lost on the way
            state = "failed"
    searched = _searched(run, ranges)
    of_rungs = [value for name, value in metrics.items() if re.fullmatch(r"rung_\d+_seconds|passed_seconds", name)]
    has_seconds = "total_seconds" in metrics or "seconds" in metrics  # an earlier version's name for the seconds of an epoch
    return Trial(
        number=number,
        state=state,
        values=values if state in ("complete", "pruned") else (),
        params={name: _value(params[name], ranges[name]) for name in searched},
        ranges={name: ranges[name] for name in searched},
        reports=dict(enumerate(fold_values, 1)) or ({} if first is None or not epoch else {epoch: first}),
        fold_values=fold_values,
        num_parameters=int(metrics["num_parameters"]) if "num_parameters" in metrics else None,
        num_valid=_whole(tags.get("num_valid", "")),
        deviation=metrics.get(f"{objectives[0]}{DEVIATION}"),
        epochs=num_folds or (_whole(params.get("epochs", "")) if params.get("max_seconds", "null") == "null" else None),
        rungs=tuple(json.loads(params.get("rungs", "[]"))),
        seconds=metrics.get("total_seconds", epoch * metrics.get("seconds", 0.0)) if has_seconds else None,
        rung_seconds=sum(of_rungs, 0.0),
        run_id=run.info.run_id,
        reason=tags.get("trial.reason"),
        promoted_from=_whole(tags.get("trial.promoted_from", "")),
        lease=_lease(tags) if state == "running" else None,
        start=None if state == "waiting" else _time(run.info.start_time),
        end=_time(run.info.end_time or run.info.start_time) if state in ("complete", "pruned", "failed") else None,
    )


def _fold_values(run: "Run", objective: str, num_folds: int) -> tuple[float, ...]:
    """Return the objective on each fold that has ended: the record of the whole run then has a step for it."""
    num_ended = min(num_folds, last_steps(run).get(objective, 0))
    names = [f"fold_{number}_{objective}" for number in range(1, num_ended + 1)]
    return tuple(run.data.metrics[name] for name in names if name in run.data.metrics)


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _lease(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return what a running trial's lease says of its process, as far as the run has it."""
    start = tags.get("process.start", "")
    return {
        "host": tags.get("host", ""),
        "pid": int(tags.get("process", 0)),
        "process_start": float(start) if start.replace(".", "").isdigit() else None,
        "machine": tags.get("process.machine"),
        "gpu": None,
    }


def _searched(run: "Run", ranges: Mapping[str, Range]) -> list[str]:
    """Return this trial's searched parameters; a conditional one is not among every trial's overrides."""
    overrides = run.data.tags.get("overrides", "")
    typed = {match[1] for match in re.finditer(r"(?:^| )\+*([\w./@]+)=", overrides)}
    known = [name for name in ranges if name in run.data.params]
    return [name for name in known if name in typed] or known  # all of them if the run has no overrides


def _range(name: str, text: str, runs: "Sequence[Run]") -> Range:
    """Return the range that `text` in the sweep's run describes; if that fails, one that holds the tried values."""
    written = _written(name, text, runs)
    if written is not None:
        return written
    tried = _tried(name, runs)
    numbers = [number for value in tried if isinstance(number := _parsed(value), int | float)]
    if tried and len(numbers) == len(tried) and not any(isinstance(number, bool) for number in numbers):
        return Range(float(min(numbers)), float(max(numbers)), is_log="log" in text and min(numbers) > 0)
    return Range(choices=tuple(_parsed(value) for value in tried))


def _written(name: str, text: str, runs: "Sequence[Run]") -> Range | None:
    """Return the range that `text` describes; None if that fails, or it does not hold the tried values."""
    with contextlib.suppress(Exception):
        written = ast.literal_eval(text)["search"] if text.startswith("{") else text
        distribution = read_space({name: written}, [], None).parameters[name].distribution  # type: ignore[arg-type]
        found = range_from(distribution)
        if all(contains(distribution, _value(value, found)) for value in _tried(name, runs)):
            return found
    return None


def _tried(name: str, runs: "Sequence[Run]") -> list[str]:
    return sorted({run.data.params[name] for run in runs if name in run.data.params})


def _condition(text: str) -> dict[str, Any]:
    """Return the condition of a parameter that the sweep's run has as `text`; empty without one."""
    with contextlib.suppress(Exception):
        found: dict[str, Any] = ast.literal_eval(text)["when"]
        return found
    return {}


def _value(text: str, values: Range) -> Any:
    """Return the value of the range that MLflow stores as `text`."""
    if values.choices:
        same = [choice for choice in values.choices if _same(choice) == _same(text)]
        return same[0] if same else _parsed(text)
    return int(text) if values.is_whole else float(text)


def _same(value: Any) -> str:
    """Return a text that is the same for a value and for its form in MLflow."""
    if value is None:
        return "null"
    return str(value).replace(" ", "").lower() if isinstance(value, bool | str) else str(value)


def _parsed(text: str) -> Any:
    """Return `text` as a bool, None or a number if it is one, else unchanged."""
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _time(milliseconds: int) -> datetime.datetime:
    """Return the time as Optuna stores it: local, without a time zone."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000)
