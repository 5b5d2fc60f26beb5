import math
from pathlib import Path

import pytest
import torch

from densenet_sweep.config.metrics import METRICS, OBJECTIVES, best_epoch, direction_of, full_name, of_kind, on_test
from densenet_sweep.mlflow_ui import views
from densenet_sweep.report.pictures.subject import Objective
from densenet_sweep.results.logged_metric import is_larger_better
from densenet_sweep.run.epoch_metrics import metrics_of
from densenet_sweep.tracking.study_runs import StudyKey
from densenet_sweep.training.evaluation import Evaluation
from densenet_sweep.training.fit import Epoch

EVALUATION = Evaluation(
    loss=0.4,
    accuracy=1.0,
    confusion_KK=torch.eye(2, dtype=torch.int64),
    is_right_N=torch.ones(2, dtype=torch.bool),
    logits_NK=torch.eye(2),
    labels_N=torch.tensor([0, 1]),
)
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
    shown = views.Shown(StudyKey("mine"), {"valid_accuracy": True}, {"optimizer.lr": "optimizer.lr"})
    leaderboard, _, curves, cost = views.of_trials(shown)
    columns = {name for name, metric in METRICS.items() if metric.is_column}
    assert {f"metrics.`{name}`" for name in columns} <= set(leaderboard.state["selectedColumns"])
    assert {chart["metricKey"] for chart in curves.state["compareRunCharts"]} == set(of_kind("accuracy", "loss"))
    assert {chart["xaxis"]["key"] for chart in cost.state["compareRunCharts"]} == set(of_kind("cost"))


def test_every_objective_is_recorded_for_the_last_epoch():
    recorded = metrics_of(
        Epoch(
            **{name: 0 for name in Epoch.__dataclass_fields__ if name not in ("validation", "is_last")},
            is_last=True,
            validation=EVALUATION,
        )
    )
    of_the_trial = {"num_parameters", "num_macs", "total_seconds"}
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


def test_an_epoch_before_the_last_computes_the_objective_alone():
    values = {name: 0 for name in Epoch.__dataclass_fields__ if name not in ("validation", "is_last")}
    recorded = metrics_of(Epoch(**values, validation=EVALUATION, is_last=False), "valid_auroc")
    assert {name for name in recorded if name.startswith("valid_")} == {"valid_accuracy", "valid_loss", "valid_auroc"}
    assert recorded["valid_auroc"] == 1.0


@pytest.mark.parametrize(
    ("typed", "full", "tested", "direction"),
    [
        ("auroc", "valid_auroc", "test_auroc", "maximize"),
        ("valid_log_loss", "valid_log_loss", "test_log_loss", "minimize"),
        ("calibration_error", "valid_calibration_error", "test_calibration_error", "minimize"),
        ("accuracy", "valid_accuracy", "test_accuracy", "maximize"),
        ("valid_loss", "valid_loss", "test_loss", "minimize"),
        ("num_parameters", "num_parameters", "test_accuracy", "minimize"),
        ("f2", "f2", "test_accuracy", "maximize"),
    ],
)
def test_a_metric_of_the_validation_split_may_be_named_without_it(typed, full, tested, direction):
    assert (full_name(typed), on_test(typed), direction_of(typed)) == (full, tested, direction)


@pytest.mark.parametrize(
    ("values", "best"), [([0.5, 0.7, 0.7], 1), ([math.nan, 0.5, 0.4], 1), ([0.5, math.nan], 0), ([math.nan, math.nan], 0)]
)
def test_the_best_epoch_is_the_first_of_equal_ones_and_none_without_a_number(values, best):
    assert best_epoch([{"valid_auroc": value} for value in values], "valid_auroc") == best
    assert best_epoch([{"valid_loss": -value} for value in values], "valid_loss") == best
