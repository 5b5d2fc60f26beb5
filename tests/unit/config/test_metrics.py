from pathlib import Path

import pytest

from densenet_sweep.config.metrics import METRICS, OBJECTIVES, direction_of, of_kind
from densenet_sweep.mlflow_ui import views
from densenet_sweep.report.pictures.subject import Objective
from densenet_sweep.results.logged_metric import is_larger_better
from densenet_sweep.run.epoch_metrics import metrics_of
from densenet_sweep.training.evaluation import Evaluation
from densenet_sweep.training.fit import Epoch

PACKAGE = Path(__file__).parent.parent.parent.parent / "densenet_sweep"


@pytest.mark.parametrize("name", METRICS)
def test_each_reader_of_the_table_agrees_with_it(name):
    metric = METRICS[name]
    assert metric.name == name
    assert is_larger_better(name) == (metric.direction == "maximize")
    objective = Objective(0, name, metric.direction == "maximize")
    assert objective.label == (f"{metric.label} ({metric.unit})" if metric.unit else metric.label)
    assert objective.axis([0.5]).is_short == metric.spans_magnitudes


def test_the_views_draw_what_the_table_names():
    shown = views.Shown("mine", {"valid_accuracy": True}, {"optimizer.lr": "optimizer.lr"})
    leaderboard, _, curves, cost = views.of_trials(shown)
    columns = {name for name, metric in METRICS.items() if metric.is_column}
    assert {f"metrics.`{name}`" for name in columns} <= set(leaderboard.state["selectedColumns"])
    assert {chart["metricKey"] for chart in curves.state["compareRunCharts"]} == set(of_kind("accuracy", "loss"))
    assert {chart["xaxis"]["key"] for chart in cost.state["compareRunCharts"]} == set(of_kind("cost"))


def test_every_objective_is_recorded_for_each_epoch():
    recorded = metrics_of(
        Epoch(
            **{name: 0 for name in Epoch.__dataclass_fields__ if name != "validation"},
            validation=Evaluation(**dict.fromkeys(Evaluation.__dataclass_fields__, 0)),
        )
    )
    of_the_trial = {"num_parameters", "total_seconds"}
    assert set(OBJECTIVES) == set(recorded) - {"lr"} | of_the_trial


def test_no_other_file_lists_metrics():
    listing = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.name != "metrics.py" and path.read_text(encoding="utf-8").count('"images_per_second"') > 0
    ]
    assert listing == ["run/epoch_metrics.py"]  # where it is computed


def test_the_direction_of_an_unknown_objective_is_up():
    assert (direction_of("valid_loss"), direction_of("mine")) == ("minimize", "maximize")
