"""The run of a trial as a value, for those who compare it with its study."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from densenet_sweep.tracking.mlflow_private import last_steps

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class TrialRun:
    """The run of a trial, as MLflow had it.

    Attributes:
        id: of the run.
        status: MLflow's, such as `RUNNING`.
        tags: of the run.
        metrics: their last values.
        steps: their last steps, without those of system metrics.
    """

    id: str
    status: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    steps: Mapping[str, int]


def from_run(run: "Run") -> TrialRun:
    """Return the run in MLflow's form as a value."""
    return TrialRun(str(run.info.run_id), str(run.info.status), run.data.tags, run.data.metrics, last_steps(run))
