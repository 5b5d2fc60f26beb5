"""The table of metrics: the source of objectives, axis labels, and the columns and charts of views.

A new metric is a row here and its computation.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["accuracy", "loss", "cost", "pace"]


@dataclass(frozen=True)
class Metric:
    """A number that runs record.

    Attributes:
        name: in MLflow, in configs and in histories.
        direction: which way is better.
        label: what people call it.
        unit: empty for counts and fractions.
        kind: an accuracy in [0, 1], a loss, what a trial costs in all, or how fast it trains.
        is_objective: a sweep can optimize it.
        is_column: the leaderboard in MLflow shows it beside the objectives.
        spans_magnitudes: on an axis, thousands and millions are abbreviated, and a logarithmic scale may be used.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    label: str
    unit: str
    kind: Kind
    is_objective: bool = True
    is_column: bool = False
    spans_magnitudes: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("valid_accuracy", "maximize", "validation accuracy", "", "accuracy"),
        Metric("valid_loss", "minimize", "validation loss", "nats per image", "loss"),
        Metric("train_accuracy", "maximize", "training accuracy", "", "accuracy"),
        Metric("train_loss", "minimize", "training loss", "nats per image", "loss"),
        Metric("num_parameters", "minimize", "parameters", "", "cost", is_column=True, spans_magnitudes=True),
        Metric("epoch_seconds", "minimize", "time of an epoch", "s", "pace"),
        Metric("total_seconds", "minimize", "training time", "s", "cost", is_column=True),
        Metric("images_per_second", "maximize", "images per second", "", "pace", is_column=True, spans_magnitudes=True),
        Metric("peak_memory_bytes", "minimize", "peak memory", "bytes", "cost", spans_magnitudes=True),
        Metric("test_accuracy", "maximize", "test accuracy", "", "accuracy", is_objective=False),
        Metric("test_loss", "minimize", "test loss", "nats per image", "loss", is_objective=False),
    )
}

OBJECTIVES: tuple[str, ...] = tuple(metric.name for metric in METRICS.values() if metric.is_objective)


def direction_of(name: str) -> Literal["maximize", "minimize"]:
    """Return the direction of an objective; `maximize` for one that is not in the table."""
    return METRICS[name].direction if name in METRICS else "maximize"


def of_kind(*kinds: Kind) -> tuple[str, ...]:
    """Return the objectives of these kinds, kind by kind."""
    return tuple(name for kind in kinds for name in OBJECTIVES if METRICS[name].kind == kind)
