"""The table of metrics: the source of objectives, axis labels, and the columns and charts of views.

A new metric is a row here and its computation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["accuracy", "score", "loss", "error", "cost", "pace"]
Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Metric:
    """A number that runs record.

    Attributes:
        name: in MLflow, in configs and in histories.
        direction: which way is better.
        label: what people call it.
        unit: empty for counts and fractions.
        kind: an accuracy or another score in [0, 1], a loss, another error, what a trial costs in all, or what an epoch or an
            image takes.
        is_objective: a sweep can optimize it.
        is_column: the leaderboard in MLflow shows it beside the objectives.
        spans_magnitudes: on an axis, thousands and millions are abbreviated, and a logarithmic scale may be used.
    """

    name: str
    direction: Direction
    label: str
    unit: str
    kind: Kind
    is_objective: bool = True
    is_column: bool = False
    spans_magnitudes: bool = False

    @property
    def is_fraction(self) -> bool:
        """Whether it lies in [0, 1]."""
        return self.kind in ("accuracy", "score")


# What `run.class_metrics` computes from the outputs of a network on a split: direction, label, unit and kind by name.
OF_OUTPUTS: dict[str, tuple[Direction, str, str, Kind]] = {
    "balanced_accuracy": ("maximize", "balanced accuracy", "", "score"),
    "macro_f1": ("maximize", "macro F1", "", "score"),
    "auroc": ("maximize", "AUROC", "", "score"),
    "average_precision": ("maximize", "average precision", "", "score"),
    "log_loss": ("minimize", "log loss", "nats per image", "error"),
    "calibration_error": ("minimize", "calibration error", "", "error"),
}

# Those of images with any number of labels each: means over the labels.
OF_MULTI_LABEL = ("macro_f1", "auroc", "average_precision", "log_loss")

# What follows an objective's name in the name of its standard deviation.
DEVIATION = "_sd"

_SPLITS = {"valid": "validation", "test": "test"}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("valid_accuracy", "maximize", "validation accuracy", "", "accuracy"),
        Metric("valid_loss", "minimize", "validation loss", "nats per image", "loss"),
        Metric("train_accuracy", "maximize", "training accuracy", "", "accuracy"),
        Metric("train_loss", "minimize", "training loss", "nats per image", "loss"),
        Metric("num_parameters", "minimize", "parameters", "", "cost", is_column=True, spans_magnitudes=True),
        Metric("num_macs", "minimize", "multiply-accumulates of an image", "", "pace", spans_magnitudes=True),
        Metric("epoch_seconds", "minimize", "time of an epoch", "s", "pace"),
        Metric("total_seconds", "minimize", "training time", "s", "cost", is_column=True),
        Metric("images_per_second", "maximize", "images per second", "", "pace", is_column=True, spans_magnitudes=True),
        Metric("peak_memory_bytes", "minimize", "peak memory", "bytes", "cost", spans_magnitudes=True),
        Metric("test_accuracy", "maximize", "test accuracy", "", "accuracy", is_objective=False),
        Metric("test_loss", "minimize", "test loss", "nats per image", "loss", is_objective=False),
        *(
            Metric(f"{split}_{name}", direction, f"{words} {label}", unit, kind, is_objective=split == "valid")
            for split, words in _SPLITS.items()
            for name, (direction, label, unit, kind) in OF_OUTPUTS.items()
        ),
    )
}

OBJECTIVES: tuple[str, ...] = tuple(metric.name for metric in METRICS.values() if metric.is_objective)


def full_name(name: str) -> str:
    """Return the name that runs record a metric under: `auroc` is that of the validation split, `valid_auroc`."""
    return f"valid_{name}" if name not in METRICS and f"valid_{name}" in METRICS else name


def check_of_the_task(objectives: Sequence[str], *, is_multi_label: bool) -> None:
    """Refuse an objective that the task does not have.

    Raises:
        ValueError: names it, and what is accepted.
    """
    lacking = [name for name in OF_OUTPUTS if is_multi_label and name not in OF_MULTI_LABEL]
    for objective in objectives:
        if objective.removeprefix("valid_") in lacking:
            accepted = [name for name in OBJECTIVES if name.removeprefix("valid_") not in lacking]
            raise ValueError(f"objective={objective}: with several labels an image, one of {', '.join(accepted)} is accepted")


def on_test(objective: str) -> str:
    """Return the metric of the test set that stands for an objective: its own, or the accuracy where there is none."""
    name = full_name(objective).replace("valid_", "test_", 1)
    return name if name.startswith("test_") and name in METRICS else "test_accuracy"


def direction_of(name: str) -> Direction:
    """Return the direction of an objective; `maximize` for one that is not in the table."""
    name = full_name(name)
    return METRICS[name].direction if name in METRICS else "maximize"


def best_epoch(history: Sequence[Mapping[str, float]], objective: str) -> int:
    """Return the index of the metrics that are best by the objective, the first of equal ones; NaN is the worst."""
    sign = 1 if direction_of(objective) == "maximize" else -1
    values = [sign * metrics[objective] for metrics in history]
    return max(range(len(values)), key=lambda index: -math.inf if math.isnan(values[index]) else values[index])


def of_kind(*kinds: Kind) -> tuple[str, ...]:
    """Return the objectives of these kinds, kind by kind."""
    return tuple(name for kind in kinds for name in OBJECTIVES if METRICS[name].kind == kind)
