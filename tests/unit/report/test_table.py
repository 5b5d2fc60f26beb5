from densenet_sweep.report import table
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.logged_metric import Metric
from densenet_sweep.results.study import Range, Study, Trial

STUDY = Study(
    "it",
    ("valid_accuracy",),
    ("maximize",),
    (
        Trial(
            0, "complete", (0.9,), {"optimizer": "adamw", "a.lr": 0.1}, {"a.lr": Range(0, 1)}, {1: 0.5, 2: 0.9}, num_valid=100
        ),
        Trial(1, "pruned", (0.4,), {"optimizer": "sgd"}, {}, {1: 0.4}, run_id="abc", reason="worse than the median"),
        Trial(2, "failed", (), {"optimizer": "sgd", "a.lr": 0.2}, {}, reason="out of memory"),
    ),
)


def test_a_trial_has_values_to_sort_by_and_texts_to_show():
    data = table.data(STUDY, None, "http://host/#/runs/", top=10)
    labels = [column["label"] for column in data["columns"]]
    assert labels == [
        "trial",
        "valid_accuracy",
        "epoch 1",
        "lr",
        "optimizer",
        "weights",
        "epochs",
        "seconds",
        "state",
        "reason",
        "MLflow",
    ]
    assert [column["kind"] for column in data["columns"]][3:5] == ["number", "choice"]
    first, second, third = (
        {label: (value, text) for label, value, text in zip(labels, row["values"], row["texts"], strict=True)}
        for row in data["rows"]
    )
    assert first["valid_accuracy"] == (0.9, "0.9000 ± 0.0300")
    assert first["epoch 1"] == (0.5, "0.5000")
    assert second["lr"] == (None, "")
    assert second["MLflow"] == ("http://host/#/runs/abc", "run")
    assert second["reason"] == (None, "")
    assert third["reason"] == ("out of memory", "out of memory")
    assert third["valid_accuracy"] == (None, "")


def test_a_metric_has_a_column_and_the_order(swept):
    study = read_study(swept(12))
    metric = Metric("valid_loss", is_larger_better=False, values={trial.number: -trial.number for trial in study.trials})
    data = table.data(study, metric, None, top=3)
    assert [column["label"] for column in data["columns"]][:3] == ["trial", "valid_accuracy", "valid_loss"]
    assert data["rows"][0]["id"] == max(trial.number for trial in study.complete)
    assert "MLflow" not in [column["label"] for column in data["columns"]]
