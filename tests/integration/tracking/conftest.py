"""Fixtures of the tests of what is recorded in MLflow."""

from typing import Any

import pytest
from mlflow import MlflowClient

from densenet_sweep.tracking import store


@pytest.fixture
def client(tracking: dict[str, Any]) -> MlflowClient:
    """A client of the fresh store of `tracking`."""
    return store.connect(tracking["uri"])
