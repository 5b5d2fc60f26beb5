"""A study in a real PostgreSQL, shared by several commands, each with several workers."""

import gc
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

PASSWORD = "a-secret-of-the-test"


def programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of a database of our own, with a password."""
    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        folder.chmod(0o755)
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
        if user:
            shutil.chown(folder, "postgres")
            shutil.chown(folder / "password", "postgres")

        def run(program: str, *arguments: str) -> None:
            subprocess.run([*user, str(binaries / program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)

        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "sweep", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql+psycopg://sweep:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def test_two_commands_with_two_workers_each_share_the_budget_exactly(toy, url):
    toy.environment["SWEEP_STORAGE"] = url
    overrides = (
        "hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}", "hydra/launcher=local", "hydra.launcher.num_workers=2",
        "hydra.sweeper.n_trials=30", "seconds=0.005",
    )  # fmt: skip
    commands = [toy.start(*overrides) for _ in range(2)]
    outputs = [process.communicate(timeout=110)[0] for process in commands]
    assert [process.returncode for process in commands] == [0, 0], outputs
    storage = optuna.storages.RDBStorage(url)
    trials = optuna.load_study(study_name="toy", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    assert [trial.state.name for trial in trials if trial.state.name != "WAITING"] == ["COMPLETE"] * 30
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 30
    # The password is in no file that the sweep wrote, and in nothing that it printed.
    assert not [path for path in (toy.folder / "sweep").rglob("*") if path.is_file() and PASSWORD in path.read_text("latin1")]
    assert not any(PASSWORD in output for output in outputs)


def test_a_wrong_password_is_one_line_without_it(toy, url):
    toy.environment["SWEEP_STORAGE"] = url.replace(PASSWORD, "a-wrong-secret")
    code, output = toy.run("hydra.sweeper.storage=${oc.env:SWEEP_STORAGE}")
    assert code != 0
    assert "hydra.sweeper.storage=postgresql+psycopg://sweep:***@127.0.0.1" in output
    assert "a-wrong-secret" not in output
    assert not (toy.folder / "ran.txt").exists()


@pytest.fixture(autouse=True)
def _no_connection_is_left_open() -> Iterator[None]:
    """Collect what a test left, so that a warning about it belongs to that test and not to a later one."""
    yield
    gc.collect()
