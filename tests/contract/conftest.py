"""The section `tracking` of a config with a fresh store, and what opens records in it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from recorded_runs import RUN

from densenet_sweep.tracking import mlflow_record, null_record, store
from densenet_sweep.tracking.record import Record

Open = Callable[..., Record]


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> dict[str, Any]:
    """The section `tracking` of a config, its store fresh."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return {
        "uri": f"sqlite:///{tmp_path}/mlflow.db",
        "artifact_location": str(tmp_path / "artifacts"),
        "experiment": "tests",
        "required": True,
        "system_metrics": False,
    }


@pytest.fixture
def client(settings: dict[str, Any]) -> MlflowClient:
    return store.connect(settings["uri"])


@pytest.fixture
def open_mlflow(settings: dict[str, Any]) -> Open:
    return lambda **changes: mlflow_record.open_record(**{**settings, **RUN, **changes})


@pytest.fixture(params=["null", "mlflow"])
def open_any(request: pytest.FixtureRequest) -> Open:
    if request.param == "null":
        return lambda **changes: null_record.open_record(**{**RUN, **changes})
    opened: Open = request.getfixturevalue("open_mlflow")
    return opened
