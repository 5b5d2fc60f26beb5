"""A metric that the runs of a study logged in MLflow, by trial: what `compare --metric` ranks by and shows."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from densenet_sweep.config.metrics import METRICS, full_name
from densenet_sweep.config.schema import MlflowConfig
from densenet_sweep.results.study import Study
from densenet_sweep.tracking.access import answering, exists
from densenet_sweep.tracking.store import connect, redacted
from densenet_sweep.tracking.study_runs import StudyKey

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Names of metrics outside METRICS that are better when smaller.
_COSTS = re.compile(r"loss|error|seconds|time|bytes|mega|giga|memory|disk|num_|usage")

# Runs read to list the logged metrics.
_LOOKED_AT = 20
_PAGE = 500
_IS_TRIAL = "tags.`trial.number` LIKE '%'"


@dataclass(frozen=True)
class Metric:
    """The last value of `name` by trial number; a trial that is not in `values` has none."""

    name: str
    is_larger_better: bool
    values: Mapping[int, float]

    @property
    def order(self) -> str:
        """How the trials are sorted, in words."""
        return "the largest first" if self.is_larger_better else "the smallest first"

    def is_shown_by(self, study: Study) -> bool:
        """Return whether every leaderboard of `study` shows the metric."""
        return self.name in (*study.objectives, "num_parameters")


def is_larger_better(name: str) -> bool:
    """Return whether a larger value of the metric is better."""
    return METRICS[name].direction == "maximize" if name in METRICS else _COSTS.search(name) is None


def read(study: Study, name: str, tracking: MlflowConfig, top: int) -> Metric:
    """Return the metric of at least the `top` trials of `study`, complete ones before the others.

    Objectives and `num_parameters` come from the study itself, not from MLflow. `name` may lack the prefix `valid_`.

    Raises:
        ValueError: no run of the study logged it; the message lists the logged ones.
        ConnectionError: the store cannot be used.
    """
    name = full_name(name)
    known = _known_to_the_study(study, name)
    if known:
        return Metric(name, is_larger_better(name), known)
    if not exists(tracking.uri):
        raise ValueError(f"--metric {name}: tracking.uri={redacted(tracking.uri)}: nothing is recorded there")
    with answering(tracking.uri):
        client = connect(tracking.uri)
        experiment = client.get_experiment_by_name(tracking.experiment)
        values: dict[int, float] = {}
        for states in ("= 'complete'", "!= 'complete'"):
            if experiment is not None and len(values) < top:
                runs = _ranked(client, experiment.experiment_id, study, name, states, top - len(values))
                values |= _by_trial(study, name, runs)
        if values:
            return Metric(name, is_larger_better(name), values)
        logged = _logged(client, experiment.experiment_id, study) if experiment is not None else []
    where = f"tracking.uri={redacted(tracking.uri)}"
    if not logged:
        raise ValueError(f"--metric {name}: {where} has no metrics of the study {study.name}")
    raise ValueError(f"--metric {name}: was never logged by the study {study.name}; there are {', '.join(logged)}")


def _known_to_the_study(study: Study, name: str) -> dict[int, float]:
    if name in study.objectives:
        index = study.objectives.index(name)
        return {trial.number: trial.values[index] for trial in study.trials if trial.values}
    if name == "num_parameters":
        return {trial.number: trial.num_parameters for trial in study.trials if trial.num_parameters is not None}
    return {}


def _ranked(client: "MlflowClient", experiment: str, study: Study, name: str, states: str, count: int) -> "list[Run]":
    """Return the best runs by the metric; the store sorts them, so that a large study is not read to show ten."""
    key = StudyKey(study.name, study.id)
    order = "DESC" if is_larger_better(name) else "ASC"
    query = key.query(_IS_TRIAL, f"tags.`trial.state` {states}")
    runs: list[Run] = []
    token = None
    while len(runs) < count:
        page = client.search_runs(
            [experiment],
            query,
            order_by=[f"metrics.`{name}` {order}"],
            max_results=min(_PAGE, count - len(runs) + 1),
            page_token=token,
        )
        runs += filter(key.has, page)
        token = page.token
        if not token or name not in page[-1].data.metrics:  # runs without the metric come last
            break
    return runs


def _by_trial(study: Study, name: str, runs: "Sequence[Run]") -> dict[int, float]:
    """Return the metric by trial; if a trial has several runs, from the one that the study names."""
    theirs = {trial.number: trial.run_id for trial in study.trials}
    values = {}
    for run in runs:
        number = int(run.data.tags["trial.number"])
        value = run.data.metrics.get(name, math.nan)
        if theirs.get(number, "") in (None, run.info.run_id) and not math.isnan(value):
            values[number] = value
    return values


def _logged(client: "MlflowClient", experiment: str, study: Study) -> list[str]:
    key = StudyKey(study.name, study.id)
    runs: Any = client.search_runs([experiment], key.query(_IS_TRIAL), max_results=_LOOKED_AT)
    names = sorted({name for run in filter(key.has, runs) for name in run.data.metrics})
    system = [name for name in names if name.startswith("system/")]
    return [*(name for name in names if name not in system), *([f"{len(system)} of the form {system[0]}"] if system else [])]
