"""A study in a real PostgreSQL, shared by several commands, each with several workers."""

import gc
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.storage import open_storage
from waiting import wait_for

PASSWORD = "a-secret-of-the-test"

pytestmark = [pytest.mark.real("postgres")]


def programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@dataclass
class Server:
    """A PostgreSQL of our own, with a password."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://sweep:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
        command = [*user, str(programs() / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def the_server() -> Iterator[Server | None]:
    if programs() is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        server = Server(Path(name), port)
        (server.folder / "password").write_text(PASSWORD)
        server.folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(server.folder, "postgres")
            shutil.chown(server.folder / "password", "postgres")
        server.run(
            "initdb", "-D", str(server.folder / "data"), "-U", "sweep", "-A", "scram-sha-256",
            f"--pwfile={server.folder / 'password'}", "--no-sync",
        )  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def server(the_server: Server | None, unavailable: Callable[[str], None]) -> Server:
    if the_server is None:
        unavailable("PostgreSQL is not installed")
    if importlib.util.find_spec("psycopg") is None:
        unavailable("psycopg is not installed")
    return the_server


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """The URL of the database, without the studies of an earlier test."""
    yield server.url
    storage = optuna.storages.RDBStorage(server.url)
    for study in storage.get_all_studies():
        storage.delete_study(study._study_id)
    storage.remove_session()
    storage.engine.dispose()


def trials_in(url: str) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(url)
    trials = optuna.load_study(study_name="toy", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return [trial for trial in trials if trial.state.name != "WAITING"]


def test_two_commands_with_two_workers_each_share_the_budget_exactly(toy, url):
    toy.environment["SWEEP_STORAGE"] = url
    overrides = (
        "hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}", "hydra/launcher=local", "hydra.launcher.num_workers=2",
        "hydra.sweeper.n_trials=30", "seconds=0.005",
    )  # fmt: skip
    commands = [toy.start(*overrides) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in commands]
    assert [process.returncode for process in commands] == [0, 0], outputs
    assert [trial.state.name for trial in trials_in(url)] == ["COMPLETE"] * 30
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 30
    # The password is in no file that the sweep wrote, and in nothing that it printed.
    assert not [path for path in (toy.folder / "sweep").rglob("*") if path.is_file() and PASSWORD in path.read_text("latin1")]
    assert not any(PASSWORD in output for output in outputs)


def test_two_commands_promote_no_trial_twice(toy, url):
    toy.environment["SWEEP_STORAGE"] = url
    overrides = (
        "hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}", "hydra/launcher=local", "hydra.launcher.num_workers=2",
        "hydra.sweeper.n_trials=24", "hydra/sweeper/pruner=promotion", "rungs=[1]", "hydra.sweeper.pruner.at_least=10",
    )  # fmt: skip
    commands = [toy.start(*overrides) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in commands]
    assert [process.returncode for process in commands] == [0, 0], outputs
    trials = trials_in(url)
    assert {trial.state.name for trial in trials} == {"COMPLETE", "PRUNED"}
    assert len(trials) == 24
    origins = [trial.user_attrs["promoted_from"]["trial"] for trial in trials if "promoted_from" in trial.user_attrs]
    assert len(origins) >= 4  # ten go on, and after the ninth a trial that is the best so far does so at once
    assert len(set(origins)) == len(origins)


def test_a_server_that_is_restarted_under_way_loses_nothing(toy, server, url):
    toy.environment["SWEEP_STORAGE"] = url
    overrides = (
        "hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}", "hydra/launcher=local", "hydra.launcher.num_workers=2",
        "hydra.sweeper.n_trials=12", "steps=5", "seconds=0.2", "hydra.sweeper.lease_seconds=3",
    )  # fmt: skip
    with toy.start(*overrides) as process:
        wait_for(lambda: (toy.folder / "sweep" / "3" / "state.json").exists())
        server.stop()
        time.sleep(5)  # longer than the leases
        server.start()
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "the study's storage does not answer" in output
    assert "the study's storage is back after" in output
    trials = trials_in(url)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    assert all(len(trial.intermediate_values) == 5 for trial in trials)
    assert not any(trial.user_attrs.get("attempt") for trial in trials)  # nobody was held dead for the outage
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 12


def test_several_commands_that_begin_on_one_new_database_at_once(server, tmp_path):
    import psycopg

    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    url = server.url.replace("/postgres", "/fresh")
    at_once = threading.Barrier(5)

    def begin(_: int) -> int:
        at_once.wait()
        storage = open_storage(url, tmp_path)
        with exclusive(storage, "toy"):
            study = optuna.create_study(study_name="toy", storage=storage, load_if_exists=True)
            study.enqueue_trial({"x": 0.5}, skip_if_exists=True)
        num_trials = len(study.trials)
        storage.remove_session()
        storage._backend.engine.dispose()
        return num_trials

    with ThreadPoolExecutor(5) as threads:
        assert list(threads.map(begin, range(5))) == [1] * 5


@contextmanager
def proxy(url: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve the storage at `url` inside the context, at the URL that this gives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "hydra_async_sweeper.serve", "--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen(
        command,
        env={**environment, "SWEEP_STORAGE": url},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield f"grpc://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)  # Ctrl-C is ignored in what a shell starts in the background
            said = process.communicate(timeout=30)[0]
    assert PASSWORD not in said
    assert f"at grpc://127.0.0.1:{port}" in said


@pytest.mark.parametrize("behind", ["sqlite", "postgres"])
def test_workers_behind_optunas_proxy(toy, request, unavailable, behind):
    if importlib.util.find_spec("grpc") is None:
        unavailable("grpcio is not installed")
    url = request.getfixturevalue("url") if behind == "postgres" else f"sqlite:///{toy.folder}/behind.db"
    with proxy(url, toy.environment) as served:
        code, output = toy.run(
            f"hydra.sweeper.storage={served}", "hydra/launcher=local", "hydra.launcher.num_workers=2",
            "hydra.sweeper.n_trials=10", "seconds=0.02", "hydra/sweeper/pruner=median",
        )  # fmt: skip
    assert code == 0, output
    finished = [trial for trial in trials_in(url) if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(finished) == 10
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 10


@pytest.mark.parametrize("storage", ["journal", "sqlite", "postgres", "grpc"])
def test_of_many_workers_one_reclaims_a_dead_trial_and_one_pulls_it(toy, request, unavailable, storage):
    with ExitStack() as around:
        url = storage
        if storage == "postgres":
            url = request.getfixturevalue("url")
        if storage == "grpc":
            if importlib.util.find_spec("grpc") is None:
                unavailable("grpcio is not installed")
            url = around.enter_context(proxy(f"sqlite:///{toy.folder}/behind.db", toy.environment))
        command = [sys.executable, str(Path(__file__).parent / "reclaiming.py"), url, str(toy.folder), "6", "4"]
        done = json.loads(subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True, timeout=120).stdout)
        study = optuna.load_study(study_name="toy", storage=open_storage(url, toy.folder))
        attempts = [trial.user_attrs["attempt"] for trial in study.trials]
        if storage in ("postgres", "sqlite"):
            study._storage.remove_session()
            study._storage._backend.engine.dispose()
    assert done == [[number, what] for number in range(4) for what in ("interrupted", "pulled")]
    assert attempts == [1] * 4


def test_a_wrong_password_is_one_line_without_it(toy, url):
    toy.environment["SWEEP_STORAGE"] = url.replace(PASSWORD, "a-wrong-secret")
    code, output = toy.run("hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}")
    assert code != 0
    assert "hydra.sweeper.storage=postgresql+psycopg://sweep:***@127.0.0.1" in output
    assert "a-wrong-secret" not in output
    assert not (toy.folder / "ran.txt").exists()


def test_a_user_who_may_only_read_is_refused_in_one_line(toy, url):
    import psycopg

    toy.environment["SWEEP_STORAGE"] = url
    assert toy.run("hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}", "hydra.sweeper.n_trials=1")[0] == 0
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE USER reader PASSWORD 'a-readers-secret'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    toy.environment["SWEEP_STORAGE"] = url.replace(f"sweep:{PASSWORD}", "reader:a-readers-secret")
    code, output = toy.run(
        "hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}", "hydra.sweeper.study_name=new", "hydra.sweep.dir=new"
    )
    assert code == 1
    assert "reader:***@127.0.0.1" in output
    assert "cannot be written (permission denied for table studies)" in output
    assert "Traceback" not in output
    assert not (toy.folder / "new").exists()


@pytest.fixture(autouse=True)
def _no_connection_is_left_open() -> Iterator[None]:
    """Collect what a test left, so that a warning about it belongs to that test and not to a later one."""
    yield
    gc.collect()
