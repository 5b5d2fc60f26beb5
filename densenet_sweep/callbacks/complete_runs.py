"""Completes MLflow from the study when a sweep ends.

A trial's own process sends more: the metrics of every epoch and its files. If those were lost with a host or its disk, the
study's data is all that is left, and the run has the tag `trial.incomplete`.
"""

import datetime
import math
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from densenet_sweep.results.study import Study, Trial
from densenet_sweep.tracking import incomplete_runs, outbox, run
from densenet_sweep.tracking.outbox import End, Outbox
from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.study_runs import StudyRuns
from densenet_sweep.tracking.trial_run import TrialRun


def complete(runs: StudyRuns, study: Study, parent: ParentRun, sweep_dir: Path, *, reported: str) -> list[int]:
    """Give each finished trial a run below `parent` with its state and values; return the trials whose run was incomplete.

    Args:
        runs: of the study.
        study: that has ended.
        parent: its run.
        sweep_dir: of the study; trials that have something to send are skipped.
        reported: the name of the metric that trials report.

    Raises:
        mlflow.exceptions.MlflowException, OSError: the store fails.
    """
    existing = incomplete_runs.of_trials(runs, parent)
    completed = []
    for trial in study.finished:
        if not trial.is_own or (trial.folder_in(sweep_dir) / outbox.FILE).is_file():
            continue
        theirs = _run_of(trial, existing)
        if theirs is None and trial.run_id is not None:  # in another store, or deleted by its user
            continue
        metrics = _missing(study, trial, theirs, reported)
        if theirs is None:
            incomplete_runs.send_whole(runs, parent, _outbox(runs, study, trial, metrics))
        elif metrics or not _has_ended(theirs, trial):
            incomplete_runs.end(runs, theirs, _end(trial), metrics)
        else:
            continue
        completed.append(trial.number)
    return completed


def _run_of(trial: Trial, runs: Sequence[TrialRun]) -> TrialRun | None:
    """Return the trial's run: the one that the study names, else the latest one that matches."""
    if trial.run_id is not None:
        return next((it for it in runs if it.id == trial.run_id), None)
    keyed = [it for it in runs if trial.record_key is not None and it.tags.get(run.KEY) == trial.record_key]
    # A trial without a key (an older version's, or one that failed before training) is matched by its number alone.
    numbered = [it for it in runs if trial.record_key is None and it.tags[run.TRIAL_NUMBER] == str(trial.number)]
    return next(reversed(keyed or numbered), None)


def _has_ended(theirs: TrialRun, trial: Trial) -> bool:
    """Return whether the run has the trial's final state."""
    return theirs.tags.get("trial.state") == trial.state and theirs.status == run.STATUS[trial.state]


def _missing(study: Study, trial: Trial, theirs: TrialRun | None, reported: str) -> list[tuple[str, float, int, int]]:
    """Return the trial's reports and values that the run lacks, as metrics."""
    steps = {} if theirs is None else theirs.steps
    there = {} if theirs is None else theirs.metrics
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


def _outbox(runs: StudyRuns, study: Study, trial: Trial, metrics: list[tuple[str, float, int, int]]) -> Outbox:
    """Return an outbox with all data of a trial that has no run."""
    objectives: Any = study.objectives[0] if study.has_one_objective else study.objectives
    promoted = {} if trial.promoted_from is None else {"trial.promoted_from": str(trial.promoted_from)}
    return Outbox(
        store="",
        experiment="",
        key=trial.record_key or uuid.uuid4().hex,
        study_name=study.name,
        name=f"trial {trial.number}",
        parameters={name: run.shown(value) for name, value in {"objective": objectives, **trial.params}.items()},
        tags={**runs.study.tags, run.TRIAL_NUMBER: str(trial.number), **promoted},
        began=_time(trial.start or trial.end),
        metrics=metrics,
        end=_end(trial),
    )


def _end(trial: Trial) -> End:
    return End(trial.state, trial.reason, _time(trial.end))


def _time(local: datetime.datetime | None) -> int:
    return outbox.now() if local is None else int(local.timestamp() * 1000)
