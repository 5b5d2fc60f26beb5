"""Two hosts on one machine: each has its own network, host name, processes and folder; they share a PostgreSQL.

Fixtures of the root `conftest.py`, for the engine's tests and those of its host.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import pytest


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")


@dataclass
class Host:
    """One of the hosts; `link` is our end of its virtual cable."""

    name: str
    folder: Path
    link: str
    bridge: str
    environment: dict[str, str]
    command: tuple[str, ...] = ("application.py",)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, *overrides: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Run Python with `command`, the overrides and more environment variables; what it prints is in `said`."""
        command = [
            "ip", "netns", "exec", self.name, "unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child",
            "sh", "-c", 'hostname "$0"; exec "$@"', self.name, sys.executable, *self.command, *overrides,
        ]  # fmt: skip
        with (self.folder / "said.txt").open("ab") as said:
            process = subprocess.Popen(
                command, cwd=self.folder, env={**self.environment, **environment}, stdout=said, stderr=subprocess.STDOUT
            )
        self.processes.append(process)
        return process

    def kill(self) -> None:
        """Kill all processes of the host, without notice."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def cut(self) -> None:
        """Drop every packet from now on, silently."""
        run("ip", "link", "set", self.link, "nomaster")

    def mend(self) -> None:
        run("ip", "link", "set", self.link, "master", self.bridge)

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()


@dataclass
class Between:
    """What both hosts can reach: the network and the PostgreSQL in it."""

    bridge: str
    subnet: str
    url: str

    def trials(self, name: str) -> list[optuna.trial.FrozenTrial]:
        storage = optuna.storages.RDBStorage(self.url)
        try:
            trials = optuna.load_study(study_name=name, storage=storage).trials
            return [trial for trial in trials if trial.state.name != "WAITING"]
        except KeyError:
            return []
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _postgres() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _missing() -> str | None:
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return "hosts of their own need root, iproute2 and util-linux"
    if _postgres() is None:
        return "PostgreSQL is not installed"
    probe = subprocess.run(
        ["unshare", "--net", "--pid", "--fork", "ip", "link", "add", "probe", "type", "bridge"], capture_output=True
    )
    return None if probe.returncode == 0 else f"no networks can be made: {probe.stderr.decode().strip()}"


@pytest.fixture(scope="session")
def _between() -> Iterator[Between | str]:
    missing = _missing()
    if missing is not None:
        yield missing
        return
    programs = _postgres()
    assert programs is not None
    bridge, subnet = f"ds{os.getpid()}", f"10.213.{os.getpid() % 250}"
    run("ip", "link", "add", bridge, "type", "bridge")
    try:
        run("ip", "address", "add", f"{subnet}.1/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        with tempfile.TemporaryDirectory(prefix="hosts") as name:
            shutil.chown(name, "postgres")
            data, as_postgres = f"{name}/data", ("runuser", "-u", "postgres", "--")
            control = (*as_postgres, str(programs / "pg_ctl"), "-D", data)
            run(*as_postgres, str(programs / "initdb"), "-D", data, "-U", "sweep", "-A", "trust", "--no-sync")
            (Path(data) / "pg_hba.conf").write_text("host all all all trust\nlocal all all trust\n")
            run(*control, "-w", "-l", f"{name}/log", "-o", f"-p 5432 -k {name} -h {subnet}.1", "start")
            try:
                yield Between(bridge, subnet, f"postgresql+psycopg://sweep@{subnet}.1:5432/postgres")
            finally:
                run(*control, "-m", "immediate", "stop")
    finally:
        run("ip", "link", "delete", bridge)


@pytest.fixture
def between(_between: Between | str, unavailable: Callable[[str], None]) -> Between:
    if isinstance(_between, str):
        unavailable(_between)
    assert isinstance(_between, Between)
    return _between


@pytest.fixture
def hosts(between: Between, tmp_path: Path) -> Iterator[list[Host]]:
    """Two hosts, each with an empty folder of its own."""
    made: list[Host] = []
    try:
        for number in (2, 3):
            name = f"{between.bridge}-{number}"
            folder = tmp_path / name
            folder.mkdir()
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "STUDIES": between.url}
            host = Host(name, folder, f"{between.bridge}v{number}", between.bridge, environment)
            made.append(host)
            run("ip", "netns", "add", name)
            run("ip", "link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "-n", name, "address", "add", f"{between.subnet}.{number}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "link", "set", host.link, "up")
            host.mend()
        yield made
    finally:
        for host in made:
            host.kill()
            # The kernel would delete it some time after its namespace, and the next test has one of the same name.
            subprocess.run(["ip", "link", "delete", host.link], check=False, capture_output=True)
            subprocess.run(["ip", "netns", "delete", host.name], check=True)
