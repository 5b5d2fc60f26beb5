"""Completes MLflow from the study when a sweep ends.

A trial's own process sends more: the metrics of every epoch and its files. If those were lost with a host or its disk, the
study's data is all that is left, and the run has the tag `trial.incomplete`.
"""

import datetime
import math
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.results.study import Study, Trial
from densenet_sweep.tracking import outbox, run
from densenet_sweep.tracking.mlflow_private import last_steps
from densenet_sweep.tracking.outbox import End, Outbox
from densenet_sweep.tracking.study_runs import StudyKey, matching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

_LACKS_ALL = "put together from the study: without its files and most metrics"
_LACKS_SOME = "ended from the study: what its process could not send is missing"


def complete(
    client: "MlflowClient", experiment: str, study: Study, parent: str, sweep_dir: Path, *, reported: str
) -> list[int]:
    """Give each finished trial a run below `parent` with its state and values; return the trials whose run was incomplete.

    Args:
        client: of the store.
        experiment: its id.
        study: that has ended.
        parent: the id of its run.
        sweep_dir: of the study; trials that have something to send are skipped.
        reported: the name of the metric that trials report.

    Raises:
        mlflow.exceptions.MlflowException, OSError: the store fails.
    """
    runs = matching(client, experiment, StudyKey(study.name, study.id), f"tags.`{run.TRIAL_NUMBER}` LIKE '%'")[::-1]
    for child in runs:
        if child.data.tags.get(run.PARENT) != parent:
            client.set_tag(child.info.run_id, run.PARENT, parent)
    completed = []
    for trial in study.finished:
        if not trial.is_own or (trial.folder_in(sweep_dir) / outbox.FILE).is_file():
            continue
        theirs = _run_of(trial, runs)
        if theirs is None and trial.run_id is not None:  # in another store, or deleted by its user
            continue
        if _send(client, experiment, study, trial, theirs, parent, reported):
            completed.append(trial.number)
    return completed


def _run_of(trial: Trial, runs: "Sequence[Run]") -> "Run | None":
    """Return the trial's run: the one that the study names, else the latest one that matches."""
    if trial.run_id is not None:
        return next((it for it in runs if it.info.run_id == trial.run_id), None)
    keyed = [it for it in runs if trial.record_key is not None and it.data.tags.get(run.KEY) == trial.record_key]
    # A trial without a key (an older version's, or one that failed before training) is matched by its number alone.
    numbered = [it for it in runs if trial.record_key is None and it.data.tags[run.TRIAL_NUMBER] == str(trial.number)]
    return next(reversed(keyed or numbered), None)


def _send(
    client: "MlflowClient", experiment: str, study: Study, trial: Trial, theirs: "Run | None", parent: str, reported: str
) -> bool:
    """Send what the run lacks, and return whether it lacked anything that the study has."""
    metrics = _missing(study, trial, theirs, reported)
    is_ended = theirs is not None and theirs.data.tags.get("trial.state") == trial.state
    is_closed = theirs is not None and theirs.info.status == run.STATUS[trial.state]
    if is_ended and is_closed and not metrics:
        return False
    if theirs is None:
        _begun(study, trial, metrics).send(client, experiment, parent)
        return True
    end = _time(trial.end)
    entities = outbox.entities(metrics)
    run.close_run(client, theirs.info.run_id, trial.state, trial.reason, metrics=entities, end_time=end)
    client.set_tag(theirs.info.run_id, run.INCOMPLETE, _LACKS_SOME)
    return True


def _missing(study: Study, trial: Trial, theirs: "Run | None", reported: str) -> list[tuple[str, float, int, int]]:
    """Return the trial's reports and values that the run lacks, as metrics."""
    steps = {} if theirs is None else last_steps(theirs)
    there = {} if theirs is None else theirs.data.metrics
    last = max(trial.reports, default=0)
    metrics = {(reported, step): value for step, value in trial.reports.items() if step > steps.get(reported, -1)}
    if theirs is not None and trial.state != "complete":
        metrics = {}  # the run of a trial that stopped early need not have its rung results
    for name, value in zip(study.objectives, trial.values if trial.state == "complete" else (), strict=False):
        if there.get(name) != value and not math.isnan(value):
            metrics[name, max(last, steps.get(name, 0))] = value
    if theirs is None:
        known = {"num_parameters": trial.num_parameters, "total_seconds": trial.seconds}
        metrics |= {(name, last): float(value) for name, value in known.items() if value is not None}
    at = _time(trial.end)
    return [(name, value, at, step) for (name, step), value in sorted(metrics.items(), key=lambda it: it[0][1])]


def _begun(study: Study, trial: Trial, metrics: list[tuple[str, float, int, int]]) -> Outbox:
    """Return an outbox with all data of a trial that has no run."""
    objectives: Any = study.objectives[0] if study.has_one_objective else study.objectives
    tags = {**StudyKey(study.name, study.id).tags, run.TRIAL_NUMBER: str(trial.number), run.INCOMPLETE: _LACKS_ALL}
    if trial.promoted_from is not None:
        tags["trial.promoted_from"] = str(trial.promoted_from)
    made = Outbox(
        store="",
        experiment="",
        key=trial.record_key or uuid.uuid4().hex,
        study_name=study.name,
        name=f"trial {trial.number}",
        parameters={name: run.shown(value) for name, value in {"objective": objectives, **trial.params}.items()},
        tags=tags,
        began=_time(trial.start or trial.end),
        metrics=metrics,
        end=End(trial.state, trial.reason, _time(trial.end)),
    )
    made.is_new = True
    return made


def _time(local: datetime.datetime | None) -> int:
    return outbox.now() if local is None else int(local.timestamp() * 1000)
