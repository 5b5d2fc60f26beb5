"""A store in a file, and a real MLflow server that can be killed and started again."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from densenet_sweep.tracking import store


@pytest.fixture(scope="session")
def final_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a final run on digits, enlarged to 12 px; tests copy them before they change anything."""
    return _final_run(tmp_path_factory.mktemp("final"))


@pytest.fixture(scope="session")
def mirrored_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the same run with `test_time_flip`."""
    return _final_run(tmp_path_factory.mktemp("mirrored"), "test_time_flip=true")


def _final_run(folder: Path, *changes: str) -> Path:
    from densenet_sweep.config import composition
    from densenet_sweep.run.recording import Job
    from densenet_sweep.run.train import train

    tiny = ["architecture.depth=10", "architecture.growth_rate=4", "epochs=2", "tracking=none", "precision=fp32"]
    overrides = ["data=digits", "data.image_size=12", *tiny, *changes]
    choices = {"architecture": "densenet_bc", "optimizer": "nesterov", "schedule": "cosine", "data": "digits"}
    train(composition.typed(composition.compose(overrides)), Job(folder, choices, overrides, final=True))
    return folder / "artifacts"


@dataclass
class Server:
    """`mlflow server` on this machine, its store in `folder`, which answers at an address of this machine."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it where it is not running, and wait until it answers."""
        if self.process is not None:
            return
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"]
        command += ["--host", self.host, "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        for _ in range(600):
            if self.process.poll() is not None:
                break
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                assert answer.status == 200
                return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        """Kill it and its workers, as a crash would."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def client(self) -> MlflowClient:
        return store.connect(self.uri)


@pytest.fixture(scope="session")
def the_server(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, free_port: Callable[[], int]
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder / "mlflow.db")
    server = Server(folder, free_port())
    yield server
    server.kill()


@pytest.fixture
def server(the_server: Server) -> Server:
    """The server, running; a test may kill it."""
    the_server.start()
    return the_server


@pytest.fixture
def server_at(tmp_path: Path, empty_database: Path, free_port: Callable[[], int]) -> Iterator[Callable[[str], Server]]:
    """Start a server of this test's own at an address of this machine."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    servers: list[Server] = []

    def start(host: str) -> Server:
        servers.append(Server(folder, free_port(), host))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def tracking(tmp_path: Path, empty_database: Path) -> dict[str, Any]:
    """The section `tracking` of a config whose store is a fresh file."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return {
        "_target_": "densenet_sweep.tracking.mlflow_record.open_record",
        "uri": f"sqlite:///{tmp_path}/mlflow.db",
        "artifact_location": str(tmp_path / "artifacts"),
        "experiment": "tests",
        "required": False,
        "system_metrics": False,
    }


@pytest.fixture
def client(tmp_path: Path, empty_database: Path) -> MlflowClient:
    """A client of the project's own store, where `command` types."""
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    return store.connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
