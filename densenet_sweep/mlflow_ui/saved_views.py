"""The saved views of studies in an MLflow experiment: written, brought up to date, and the user's as soon as one is touched.

MLflow keeps a view as a tag of the experiment. Beside it stands a tag of ours with a digest of what we wrote: a view that is no
longer that, or has gone, was changed or deleted by somebody, and is left alone.
"""

import hashlib
import re
import urllib.parse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_async_sweeper.space.search_space import is_search

from densenet_sweep.mlflow_ui import views
from densenet_sweep.tracking.run import find_parent, quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

# MLflow's own name for them, and ours beside; the page of experiments shows no tags that begin like this.
_VIEW = "mlflow.sharedViewState."
_WRITTEN = "mlflow.densenet_sweep.view."
# Ranges such as tag(log,interval(0.01,1)).
_LOG_SCALE = re.compile(r"\btag\([^()]*\blog\b")
_MANY = 1000


def install(client: "MlflowClient", experiment: str, study: str | None) -> list[views.View]:
    """Write the views of `study`, and that of all runs, into the experiment, and return those that are there.

    Raises:
        MlflowException: the store fails.
    """
    found = client.get_experiment(experiment)
    wanted = [*_of_study(client, experiment, study), (views.of_all(), found.creation_time or 0)]
    return [view for view, when in wanted if _is_there(client, found, view, view.saved(when))]


def _of_study(client: "MlflowClient", experiment: str, study: str | None) -> list[tuple[views.View, int]]:
    """Return the views of `study`, each with the time that gives it its place in the menu; none where it has no run."""
    parent = None if study is None else find_parent(client, experiment, study)
    if study is None or parent is None:
        return []
    run = client.get_run(parent)
    shown = _shown(client, run, study)
    wanted = views.of_trials(shown)
    if client.search_runs([experiment], f"tags.`confirms` = {quoted(study)}", max_results=1):
        wanted.append(views.of_finalists(shown))
    return [(view, run.info.start_time + len(wanted) - index) for index, view in enumerate(wanted)]


def _is_there(client: "MlflowClient", experiment: "Experiment", view: views.View, value: str) -> bool:
    """Tell whether `view` is in the experiment, which it then is as `value`, unless it is the user's."""
    found, written = experiment.tags.get(_VIEW + view.id), experiment.tags.get(_WRITTEN + view.id)
    if found is None and written is not None:  # deleted by somebody
        return False
    is_ours = found is None or found == value or _digest(found) == written
    if is_ours and (found, written) != (value, _digest(value)):
        client.set_experiment_tag(experiment.experiment_id, _VIEW + view.id, value)
        client.set_experiment_tag(experiment.experiment_id, _WRITTEN + view.id, _digest(value))
    return True


def studies(client: "MlflowClient", experiment: str) -> dict[str, str]:
    """Return the studies that were recorded in the experiment, the one begun last first, and in whose views each is seen.

    That is its own, but for a confirmation.
    """
    found = client.search_runs([experiment], "tags.`role` = 'study'", order_by=["start_time DESC"], max_results=_MANY)
    tags = [run.data.tags for run in found]
    return {of["study"]: of.get("confirms", of["study"]) for of in tags}


def address(found: Sequence[views.View], experiment: str) -> str:
    """Return where the first of the views `found` is within the UI, or the runs as they are where there is none."""
    return found[0].address(experiment) if found else f"#/experiments/{experiment}/runs?workflowType=machine_learning"


def site(uri: str) -> str:
    """Return the address of the server at `uri` for a browser, without what it takes to log in."""
    parts = urllib.parse.urlsplit(uri)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/") + "/", "", ""))


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
        study=study,
        objectives={metric: direction == "maximize" for metric, direction in zip(metrics, directions, strict=False)},
        searched={key: drawn(key, text) for key, text in parent.data.params.items() if is_search(text)},
    )


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:16]
