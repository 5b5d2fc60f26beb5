"""Fixtures of this package's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from forking import Forked, Forks

# What a training imports, on its way.
_IMPORTED = (
    "torch", "torch._dynamo", "torchvision", "sklearn.datasets", "sklearn.metrics", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "densenet_sweep.run.train",
    "hydra_async_sweeper.sweeper",
)  # fmt: skip


class Commands:
    """`densenet-sweep` in processes of their own, whose imports are done; what they print includes their errors."""

    def __init__(self) -> None:
        # Of the shell that types, not of the tests, which set it for themselves.
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", "HYDRA_FULL_ERROR": "0"}
        self._forks = Forks(_IMPORTED, self._environment)

    def start(self, folder: Path, *arguments: str, **environment: str) -> Forked:
        """Type it in `folder`."""
        words = ("-m", "densenet_sweep", *arguments)
        return self._forks.start(*words, folder=folder, environment={**self._environment, **environment})

    def run(self, folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
        """Type it in `folder` and wait; return the exit code and what it printed."""
        words = ("-m", "densenet_sweep", *arguments)
        return self._forks.run(*words, folder=folder, environment={**self._environment, **environment})

    def close(self) -> None:
        self._forks.close()


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables, to copy: making them takes seconds."""
    from densenet_sweep.tracking import store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.connect(f"sqlite:///{path}")
    return path
