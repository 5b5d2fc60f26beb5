"""Writes and updates the saved views of studies in an MLflow experiment, but not those that a user changed or deleted.

MLflow stores a view as a tag of the experiment. A second tag, ours, holds a digest of what we wrote: a view that does not match
it, or is missing, was changed or deleted by a user, and is left alone.
"""

import hashlib
import re
import urllib.parse
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from hydra_async_sweeper.application import is_search

from densenet_sweep.config.tracking_uri import is_server
from densenet_sweep.mlflow_ui import views
from densenet_sweep.tracking.run import REPORT
from densenet_sweep.tracking.store import connect
from densenet_sweep.tracking.study_runs import STUDY_ID_TAG, StudyKey, parents_called

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

# Tag prefixes: MLflow's own for the view, ours for its digest. The page of experiments hides both.
_VIEW = "mlflow.sharedViewState."
_WRITTEN = "mlflow.densenet_sweep.view."
# Ranges such as tag(log,interval(0.01,1)).
_LOG_SCALE = re.compile(r"\btag\([^()]*\blog\b")
_MANY = 1000


def install(client: "MlflowClient", experiment: str, study: str | None) -> list[views.View]:
    """Write the views of `study` and that of all runs into the experiment, and return those that exist there.

    Raises:
        MlflowException: the store fails.
    """
    found = client.get_experiment(experiment)
    wanted = [*_of_study(client, experiment, study), (views.of_all(), found.creation_time or 0)]
    return [view for view, when in wanted if _is_there(client, found, view, view.saved(when))]


def _of_study(client: "MlflowClient", experiment: str, study: str | None) -> list[tuple[views.View, int]]:
    """Return the views of `study`, each with the time that sets its place in the menu; empty if the study has no run."""
    run = None if study is None else _parent(client, experiment, study)
    if study is None or run is None:
        return []
    shown = _shown(client, run, study)
    wanted = views.of_trials(shown)
    if client.search_runs([experiment], views.confirming(shown.study), max_results=1):
        wanted.append(views.of_finalists(shown))
    return [(view, run.info.start_time + len(wanted) - index) for index, view in enumerate(wanted)]


def _is_there(client: "MlflowClient", experiment: "Experiment", view: views.View, value: str) -> bool:
    """Write `view` as `value` unless a user changed or deleted it, and return whether it exists."""
    found, written = experiment.tags.get(_VIEW + view.id), experiment.tags.get(_WRITTEN + view.id)
    if found is None and written is not None:  # deleted by a user
        return False
    is_ours = found is None or found == value or _digest(found) == written
    if is_ours and (found, written) != (value, _digest(value)):
        client.set_experiment_tag(experiment.experiment_id, _VIEW + view.id, value)
        client.set_experiment_tag(experiment.experiment_id, _WRITTEN + view.id, _digest(value))
    return True


def studies(client: "MlflowClient", experiment: str) -> dict[str, str]:
    """Return the studies recorded in the experiment, last begun first, each mapped to the study whose views show it.

    That is the study itself or, for a confirmation, the confirmed one.
    """
    found = client.search_runs([experiment], "tags.`role` = 'study'", order_by=["start_time DESC"], max_results=_MANY)
    tags = [run.data.tags for run in found]
    return {of["study"]: of.get("confirms", of["study"]) for of in tags}


def address(found: Sequence[views.View], experiment: str) -> str:
    """Return the address within the UI of the first of the views `found`, or of the runs if there is none."""
    return found[0].address(experiment) if found else f"#/experiments/{experiment}/runs?workflowType=machine_learning"


def report(client: "MlflowClient", experiment: str, study: str | None) -> str | None:
    """Return the address within the UI of the report that is stored with the study's run, or None without one."""
    run = None if study is None else _parent(client, experiment, study)
    has_report = False
    with suppress(Exception):  # of a store of files that is not at hand; the views do without it
        has_report = run is not None and any(file.path == REPORT for file in client.list_artifacts(run.info.run_id))
    if run is None or not has_report:
        return None
    return f"#/experiments/{experiment}/runs/{run.info.run_id}/artifacts/{REPORT}"


def page_on_server(uri: str, experiment: str, study: str) -> str:
    """Return the whole address of the study's first view, if `uri` is a server that answers; otherwise nothing.

    Args:
        uri: of the store.
        experiment: its name.
        study: whose views are written if they are missing.
    """
    if not is_server(uri):
        return ""
    from mlflow.exceptions import MlflowException

    try:
        client = connect(uri)
        found = client.get_experiment_by_name(experiment)
        return "" if found is None else site(uri) + address(install(client, found.experiment_id, study), found.experiment_id)
    except (MlflowException, OSError):  # logged when the study's run was closed
        return ""


def site(uri: str) -> str:
    """Return the address of the server at `uri` for a browser, without credentials."""
    parts = urllib.parse.urlsplit(uri)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/") + "/", "", ""))


def _parent(client: "MlflowClient", experiment: str, study: str) -> "Run | None":
    """Return the run of the sweep of `study`; of several studies of one name, of that begun last."""
    return next(iter(parents_called(client, experiment, study)), None)


def _shown(client: "MlflowClient", parent: "Run", study: str) -> views.Shown:
    metrics = parent.data.tags.get("study.objectives", "valid_accuracy").split()
    directions = parent.data.tags.get("study.directions", "maximize").split()
    filtered = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    trials = client.search_runs([parent.info.experiment_id], filtered, max_results=1)
    logged = set(trials[0].data.params) if trials else None

    def drawn(key: str, searched: str) -> str:
        logarithm = f"{key}.log10"
        return logarithm if _LOG_SCALE.search(searched) and (logged is None or logarithm in logged) else key

    return views.Shown(
        study=StudyKey(study, parent.data.tags.get(STUDY_ID_TAG)),
        objectives={metric: direction == "maximize" for metric, direction in zip(metrics, directions, strict=False)},
        searched={key: drawn(key, text) for key, text in parent.data.params.items() if is_search(text)},
    )


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]
