"""Rebuilds an Optuna study from its runs in MLflow, for use where its storage cannot be read.

The rebuilt study lacks the values of all epochs but the last, and the trials that had not begun.
"""

import ast
import contextlib
import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.readable import numbered
from hydra_async_sweeper.space import search_space as spaces
from hydra_async_sweeper.space.domain import contains
from hydra_async_sweeper.space.search_space import is_search
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNG_SECONDS, RUNGS, SECONDS
from hydra_async_sweeper.workers.claim import LEASE

from densenet_sweep.config.metrics import direction_of, full_name
from densenet_sweep.counts import counted
from densenet_sweep.results.from_optuna import NOTE
from densenet_sweep.tracking.mlflow_private import last_step

if TYPE_CHECKING:
    import optuna
    from mlflow.entities import Run
    from optuna.distributions import BaseDistribution

_STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "running": "RUNNING"}


def study(parent: "Run", runs: "Sequence[Run]", why: str) -> "optuna.Study":
    """Return the study, in memory, with its trials' original numbers.

    Args:
        parent: the sweep's own run.
        runs: of its trials; if a trial has several, the one begun last counts.
        why: the reason for not reading the storage, for the study's note.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = parent.data.tags["study"]
    by_number = {int(run.data.tags["trial.number"]): run for run in sorted(runs, key=lambda run: run.info.start_time)}
    objectives = parent.data.tags.get("study.objectives", "").split() or _objectives(list(by_number.values()))
    given = parent.data.tags.get("study.directions", "").split()
    directions: list[Any] = given or [direction_of(it) for it in objectives]
    rebuilt = optuna.create_study(study_name=name, directions=directions)
    ranges = {key: text for key, text in parent.data.params.items() if is_search(text)}
    of_data = {key: value for run in [*by_number.values()][:1] for key, value in _data(run).items() if key not in ranges}
    rebuilt.set_user_attr("config", {"objective": objectives[0] if len(objectives) == 1 else objectives, **of_data})
    note = f"Read from the runs in MLflow, without rank correlations: {why}."
    rebuilt.set_user_attr(NOTE, " ".join([note, *_incomplete(parent, by_number)]))
    distributions = {key: _distribution(key, text, list(by_number.values())) for key, text in ranges.items()}
    waiting = optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING)
    rebuilt.add_trials(
        _trial(by_number[number], objectives, distributions) if number in by_number else waiting
        for number in range(1 + max(by_number, default=-1))
    )
    return rebuilt


def _incomplete(parent: "Run", by_number: "Mapping[int, Run]") -> list[str]:
    """Return sentences about what MLflow is known to lack."""
    from densenet_sweep.tracking.run import INCOMPLETE

    said = []
    if missing := sorted(set(range(1 + max(by_number, default=-1))) - set(by_number)):
        said.append(f"MLflow has no run of {numbered(missing)}.")
    if partial := sorted(number for number, run in by_number.items() if INCOMPLETE in run.data.tags):
        said.append(f"Of {numbered(partial)} it has only what the study knew.")
    ended = [run for run in by_number.values() if run.data.tags.get("trial.state") in ("complete", "pruned", "failed")]
    asked = parent.data.tags.get("n_trials", "")
    if parent.info.status == "RUNNING" and asked.isdigit() and len(ended) < int(asked):
        of_all = f"{len(ended)} of {counted(int(asked), 'trial')}"
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


def _trial(
    run: "Run", objectives: Sequence[str], distributions: "Mapping[str, BaseDistribution]"
) -> "optuna.trial.FrozenTrial":
    import optuna

    metrics, tags = run.data.metrics, run.data.tags
    state = optuna.trial.TrialState[_STATES.get(tags.get("trial.state", ""), "WAITING")]
    epoch = last_step(run)
    first = metrics.get(objectives[0])
    values = [metrics[name] for name in objectives if name in metrics]
    is_whole = len(values) == len(objectives)
    if state.name == "COMPLETE" and not is_whole:  # its metrics were lost on the way
        state = optuna.trial.TrialState.FAIL
    searched = _searched(run, distributions)
    trial = optuna.trial.create_trial(
        state=state,
        values=values if is_whole and state.name in ("COMPLETE", "PRUNED") else None,
        params={name: _value(run.data.params[name], distributions[name]) for name in searched},
        distributions={name: distributions[name] for name in searched},
        user_attrs=_attributes(run, epoch),
        intermediate_values={} if first is None or not epoch else {epoch: first},
    )
    if state.name != "WAITING":
        trial.datetime_start = _time(run.info.start_time)
    if state.is_finished():
        trial.datetime_complete = _time(run.info.end_time or run.info.start_time)
    return trial


def _attributes(run: "Run", epoch: int) -> dict[str, Any]:
    """Return the attributes that a worker sets on its trial, as far as the run has them."""
    metrics, tags = run.data.metrics, run.data.tags
    attributes: dict[str, Any] = {"mlflow_run_id": run.info.run_id}
    if "num_parameters" in metrics:
        attributes["num_parameters"] = int(metrics["num_parameters"])
    if run.data.params.get("epochs", "").isdigit() and run.data.params.get("max_seconds", "null") == "null":
        attributes[NUM_STEPS] = int(run.data.params["epochs"])
    if run.data.params.get("rungs", "[]") != "[]":
        attributes[RUNGS] = json.loads(run.data.params["rungs"])
    if tags.get("trial.promoted_from", "").isdigit():
        attributes[PROMOTED] = {"trial": int(tags["trial.promoted_from"])}
        if "passed_seconds" in metrics:
            attributes[PROMOTED]["seconds"] = metrics["passed_seconds"]
    if tags.get("num_valid", "").isdigit():
        attributes["num_valid"] = int(tags["num_valid"])
    if "total_seconds" in metrics or "seconds" in metrics:  # an earlier version's name for the seconds of an epoch
        attributes[SECONDS] = metrics.get("total_seconds", epoch * metrics.get("seconds", 0.0))
    if of_rungs := [value for name, value in metrics.items() if re.fullmatch(r"rung_\d+_seconds|passed_seconds", name)]:
        attributes[RUNG_SECONDS] = sum(of_rungs)
    if "trial.reason" in tags:
        attributes["reason"] = tags["trial.reason"]
    if tags.get("trial.state") == "running":
        start = tags.get("process.start", "")
        attributes[LEASE] = {
            "host": tags.get("host", ""),
            "pid": int(tags.get("process", 0)),
            "process_start": float(start) if start.replace(".", "").isdigit() else None,
            "machine": tags.get("process.machine"),
            "gpu": None,
        }
    return attributes


def _searched(run: "Run", distributions: "Mapping[str, BaseDistribution]") -> list[str]:
    """Return this trial's searched parameters; a conditional one is not among every trial's overrides."""
    overrides = run.data.tags.get("overrides", "")
    typed = {match[1] for match in re.finditer(r"(?:^| )\+*([\w./@]+)=", overrides)}
    known = [name for name in distributions if name in run.data.params]
    return [name for name in known if name in typed] or known  # all of them if the run has no overrides


def _distribution(name: str, text: str, runs: "Sequence[Run]") -> "BaseDistribution":
    """Return the distribution that `text` in the sweep's run describes; if that fails, one that holds the tried values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    tried = sorted({run.data.params[name] for run in runs if name in run.data.params})
    with contextlib.suppress(Exception):
        written = ast.literal_eval(text)["search"] if text.startswith("{") else text
        distribution = spaces.read({name: written}, [], None).parameters[name].distribution  # type: ignore[arg-type]
        if all(contains(distribution, _value(value, distribution)) for value in tried):
            return distribution
    numbers = [number for value in tried if isinstance(number := _parsed(value), int | float)]
    if len(numbers) == len(tried) and not any(isinstance(number, bool) for number in numbers):
        return FloatDistribution(min(numbers), max(numbers), log="log" in text and min(numbers) > 0)
    return CategoricalDistribution([_parsed(value) for value in tried])


def _value(text: str, distribution: Any) -> Any:
    """Return the value of the distribution that MLflow stores as `text`."""
    if hasattr(distribution, "choices"):
        same = [choice for choice in distribution.choices if _same(choice) == _same(text)]
        return same[0] if same else _parsed(text)
    return int(text) if type(distribution).__name__.startswith("Int") else float(text)


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
