"""The private parts of MLflow that we need."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Run


def last_steps(run: "Run") -> dict[str, int]:
    """Return the last step of each metric of a run, except system metrics.

    `RunData.metrics` gives values without their steps, and a history is one call a metric. MLflow's own monitor of a
    continued run reads `RunData._metric_objs` too (`mlflow/system_metrics/system_metrics_monitor.py`).
    """
    return {metric.key: metric.step for metric in run.data._metric_objs if not metric.key.startswith("system/")}


def last_step(run: "Run") -> int:
    """Return the last step of the run's own metrics; 0 where it has none."""
    return max(last_steps(run).values(), default=0)
