"""Runs of ended trials that MLflow lacks, or has in part: what a trial's own process could not send comes from the study."""

from collections.abc import Sequence

from densenet_sweep.tracking import outbox, trial_run
from densenet_sweep.tracking.outbox import End, Outbox
from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.run import INCOMPLETE, PARENT, TRIAL_NUMBER, close_run
from densenet_sweep.tracking.study_runs import StudyRuns
from densenet_sweep.tracking.trial_run import TrialRun

_LACKS_ALL = "put together from the study: without its files and most metrics"
_LACKS_SOME = "ended from the study: what its process could not send is missing"


def of_trials(runs: StudyRuns, parent: ParentRun) -> list[TrialRun]:
    """Return the runs of all trials, the one begun first first; those that are not below `parent` are moved there."""
    found = runs.matching(f"tags.`{TRIAL_NUMBER}` LIKE '%'")[::-1]
    for run in found:
        if run.data.tags.get(PARENT) != parent.id:
            runs.client.set_tag(run.info.run_id, PARENT, parent.id)
    return [trial_run.from_run(run) for run in found]


def send_whole(runs: StudyRuns, parent: ParentRun, made: Outbox) -> None:
    """Begin and end a run below `parent` with all that the study has of a trial, and tag it as incomplete."""
    made.is_new = True
    made.tags |= {INCOMPLETE: _LACKS_ALL}
    made.send(runs.client, runs.experiment, parent.id)


def end(runs: StudyRuns, run: TrialRun, ended: End, metrics: Sequence[tuple[str, float, int, int]]) -> None:
    """Close a run with the metrics that only the study has, and tag it as incomplete; see `Outbox.metrics`."""
    last = outbox.entities(metrics)
    close_run(runs.client, run.id, ended.state, ended.reason, metrics=last, end_time=ended.time)
    runs.client.set_tag(run.id, INCOMPLETE, _LACKS_SOME)
