"""The saved views of a study on MLflow's runs page: their columns, charts, filter and order, in MLflow's format.

Plain values; `saved_views` puts them into a store. The format is that of a view saved by MLflow 3.17.2 itself.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from densenet_sweep.config.metrics import METRICS, direction_of, of_kind, on_test
from densenet_sweep.tracking.run import quoted
from densenet_sweep.tracking.study_runs import StudyKey

# MLflow's sections for metrics without a chart in the view.
_GENERATED = ("Model metrics", "System metrics")
_COSTS = of_kind("cost")
_EFFORT = tuple(name for name, metric in METRICS.items() if metric.is_column)
_TEST = "test_accuracy"
# A column that is always there.
_NAME = "attributes.`Run Name`"
_CARD: Mapping[str, Any] = {"deleted": False, "isGenerated": False, "runsCountToCompare": 100}
# On a log scale, as one diverged trial would hide the rest.
_LOGARITHMIC = of_kind("loss")
# Shown in the table even where they were not searched.
_GROUPS = ("optimizer",)
# MLflow draws what its table has loaded: the first 100 in the view's order, and more on demand. It cuts headings after about 35
# characters.
_LOADED = "100 until more load"
# MLflow marks both with a red cross; what the column says is what happened.
_CROSS = " (✗: pruned or failed)"
# What the run of a trial has, and that of a sweep lacks.
_HAS_PARENT = "tags.`mlflow.parentRunId` LIKE '%'"
# The name of the view that a study's links open.
LEADERBOARD = "Leaderboard"
ALL_RUNS = "All runs"


@dataclass(frozen=True)
class Shown:
    """The contents of a study's views.

    `objectives` maps each metric to whether larger is better. `searched` maps each searched key to the parameter that is drawn:
    its logarithm if it was searched on a log scale.
    """

    study: StudyKey
    objectives: Mapping[str, bool]
    searched: Mapping[str, str]


@dataclass(frozen=True)
class View:
    """One saved view: its id in links, its title, the page's state, and whether that is drawn as charts.

    `study` is empty if it shows all runs.
    """

    id: str
    title: str
    study: str
    state: Mapping[str, Any]
    is_drawn: bool

    def saved(self, when: int) -> str:
        """Return the view as MLflow stores it, created at `when` (ms); the menu lists the latest first and cuts long names."""
        state = "deflate;" + base64.b64encode(zlib.compress(json.dumps(self.state).encode(), 9)).decode()
        title = f"{self.title}{_CROSS}" if self.title == LEADERBOARD else self.title
        name = f"{title}: {self.study}" if self.study else title
        return json.dumps({"name": name, "createdAt": when, "updatedAt": when, "state": state})

    def address(self, experiment: str) -> str:
        """Return the view's address within the UI, in the machine learning workflow; that of agents shows no views."""
        mode = "&compareRunsMode=CHART" if self.is_drawn else ""
        return f"#/experiments/{experiment}/runs?viewStateShareKey={self.id}{mode}&workflowType=machine_learning"


def of_trials(shown: Shown) -> list[View]:
    """Return the views of the study's trials, the leaderboard first."""
    objective = next(iter(shown.objectives))
    # Of several objectives none says what is best; the first orders them.
    loaded = f"{'Best' if len(shown.objectives) == 1 else 'First'} {_LOADED}"
    scatters = [_scatter(drawn, "PARAM", objective) for drawn in shown.searched.values()]
    curves = [
        _line(metric)
        for metric in dict.fromkeys((objective, *of_kind("accuracy", "loss")))
        if metric not in of_kind("cost", "pace")
    ]
    costs = [_scatter(cost, "METRIC", metric) for metric in shown.objectives for cost in _COSTS if metric != cost]
    sections = {
        LEADERBOARD: [],
        "Search": [
            _Section(f"{loaded}: search", 1, 360, [_parallel(list(shown.searched.values()), list(shown.objectives))]),
            _Section(f"{objective} against each", 3, 340, scatters),
        ],
        "Learning curves": [_Section(f"{loaded}: curves", 2, 340, curves)],
        "Cost": [_Section(f"{loaded}: cost", 2, 400, costs)],
    }
    columns = [
        *map(_metric, shown.objectives),
        _tag("trial.state"),
        *map(_parameter, shown.searched),
        *(_parameter(group) for group in _GROUPS if group not in shown.searched),
        *(_metric(name) for name in _EFFORT if name not in shown.objectives),
    ]
    page = _Page(shown.study.query(_HAS_PARENT), _metric(objective), shown.objectives[objective], columns)
    return [_view(shown.study.name, title, page, charts) for title, charts in sections.items()]


def of_finalists(shown: Shown) -> View:
    """Return the view of the runs that train the study's best configurations again, averaged over the seeds."""
    tested = on_test(next(iter(shown.objectives)))
    columns = [_metric(tested), *map(_parameter, shown.searched), _metric("num_parameters")]
    charts = [_bar(tested), _scatter("num_parameters", "METRIC", tested)]
    page = _Page(
        f"{confirming(shown.study)} AND {_HAS_PARENT}",
        _metric(tested),
        direction_of(tested) == "maximize",
        columns,
    )
    view = _view(shown.study.name, "Finalists", page, [_Section("Mean over the seeds", 2, 380, charts)])
    by_trial = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "confirms.trial"}]}
    widths = {**view.state["columnWidths"], _metric(tested): 180}  # the heading says that it is an average
    return replace(view, state={**view.state, "groupBy": by_trial, "columnWidths": widths}, is_drawn=False)


def confirming(study: StudyKey) -> str:
    """Return a search for the runs that confirm the study."""
    of_id = "" if study.id is None else f" AND tags.`confirms.id` = {quoted(study.id)}"
    return f"tags.`confirms` = {quoted(study.name)}{of_id}"


def of_all() -> View:
    """Return the view of all runs, the trials of each sweep folded under it."""
    columns = [
        _metric("valid_accuracy"),
        *map(_tag, ("trial.state", "best.value")),
        *map(_parameter, ("architecture.growth_rate", "optimizer.lr", "architecture.depth")),
        *map(_metric, (*_EFFORT, _TEST)),
        *map(_parameter, ("architecture", "optimizer", "data", "epochs")),
    ]
    return _view("", ALL_RUNS, _Page("", "attributes.start_time", True, columns), [])


def id_of(study: str, title: str) -> str:
    """Return the id of a view of `study`: readable, valid in tags and addresses, and unique to the study."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", study).strip("-")[:40] or "densenet-sweep"
    digest = hashlib.sha256(study.encode()).hexdigest()[:6]
    return f"{readable}-{digest}-{title.lower().replace(' ', '-')}"


@dataclass(frozen=True)
class _Page:
    filtered: str
    order_by: str
    is_descending: bool
    columns: Sequence[str]


@dataclass(frozen=True)
class _Section:
    heading: str
    num_columns: int
    height: int
    charts: Sequence[Mapping[str, Any]]


def _view(study: str, title: str, page: _Page, sections: Sequence[_Section]) -> View:
    state: dict[str, Any] = {
        "searchFilter": page.filtered,
        # In any order but that of creation, trials are listed on their own, not folded under their sweep.
        "orderByKey": page.order_by,
        "orderByAsc": not page.is_descending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(page.columns),
        "columnOrder": [_NAME, *page.columns],
        "columnWidths": {_NAME: 240, **{column: _width(column) for column in page.columns}},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    if sections:  # without sections, MLflow draws its own charts
        headings = [section.heading for section in sections]
        common = {"isReordered": False, "deleted": False, "isGenerated": False}
        state["compareRunSections"] = [
            *(
                {"uuid": section.heading, "name": section.heading, "display": True, **common}
                | {"columns": section.num_columns, "cardHeight": section.height}
                for section in sections
            ),
            # Folded: MLflow puts a chart there for each metric that the view does not draw.
            *({"uuid": heading, "name": heading, "display": False, **common} for heading in _GENERATED),
        ]
        state["compareRunCharts"] = [
            {"uuid": f"{headings.index(section.heading)}.{index}", "metricSectionId": section.heading, **_CARD, **chart}
            for section in sections
            for index, chart in enumerate(section.charts)
        ]
        state["isAccordionReordered"] = True  # keep the order of sections
    return View(id_of(study, title), title, study, state, bool(sections))


def _parallel(parameters: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    return {"type": "PARALLEL", "selectedParams": parameters, "selectedMetrics": metrics, "showAllRuns": True}


def _scatter(key: str, kind: str, metric: str) -> dict[str, Any]:
    return {"type": "SCATTER", "xaxis": {"key": key, "type": kind}, "yaxis": {"key": metric, "type": "METRIC"}}


def _bar(metric: str) -> dict[str, Any]:
    return {"type": "BAR", "metricKey": metric}


def _line(metric: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "log" if metric in _LOGARITHMIC else "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _parameter(name: str) -> str:
    return f"params.`{name}`"


def _tag(name: str) -> str:
    return f"tags.`{name}`"


def _width(column: str) -> int:
    """Return the width in pixels of the column's heading."""
    return max(90, 8 * len(column.split("`")[1]) + 24)
