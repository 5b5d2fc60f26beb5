"""Servers for the storage contract tests: PostgreSQL, and Optuna's proxy in front of a database."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra_async_sweeper.study.storage import open_storage


@pytest.fixture(scope="session")
def postgres_server(free_port: Callable[[], int]) -> Iterator[str | None]:
    """The URL of a PostgreSQL of our own, or None where the programs or the driver are missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    initdb = found[-1] if found else Path(on_path) if on_path else None
    if initdb is None or importlib.util.find_spec("psycopg") is None:
        yield None
        return
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # PostgreSQL refuses to run as root
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, "postgres")

        def run(program: str, *arguments: str) -> None:
            command = [*user, str(initdb.with_name(program)), "-D", str(folder / "data"), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

        run("initdb", "-U", "sweep", "-A", "trust", "--no-sync")
        run("pg_ctl", "-o", f"-p {port} -k {folder} -h 127.0.0.1", "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql+psycopg://sweep@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


@pytest.fixture
def postgres_url(postgres_server: str | None, unavailable: Callable[[str], None]) -> Iterator[str]:
    """The same server, without the studies of an earlier test."""
    if postgres_server is None:
        unavailable("PostgreSQL or psycopg is not installed")
    assert postgres_server is not None
    yield postgres_server
    import optuna

    storage = optuna.storages.RDBStorage(postgres_server)
    for study in storage.get_all_studies():
        storage.delete_study(study._study_id)
    storage.remove_session()
    getattr(storage, "_backend", storage).engine.dispose()


@pytest.fixture
def grpc_url(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """The URL of Optuna's proxy in front of a database file, served by a thread of this process."""
    from optuna.storages._grpc.server import make_server

    port = free_port()
    # Ours, as `hydra_async_sweeper.serve` opens it: with one of Optuna's own the last of two leases wins.
    storage = open_storage(f"sqlite:///{tmp_path / 'behind.db'}", tmp_path)
    server = make_server(storage, "127.0.0.1", port)
    thread = threading.Thread(target=server.start)
    thread.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None).wait()
    thread.join()
    storage.remove_session()
    getattr(storage, "_backend", storage).engine.dispose()
