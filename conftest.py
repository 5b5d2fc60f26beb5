"""Settings of every test: one thread, so that numbers repeat and tests can run in parallel."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

pytest_plugins = ["simulated_hosts"]

torch.set_num_threads(1)

# Tests talk to servers of their own, which a proxy of the machine does not reach.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.fixture(autouse=True)
def _clean_hydra() -> Iterator[None]:
    level = logging.root.level
    yield
    GlobalHydra.instance().clear()
    # Handlers from Hydra's logging config write to the streams of this test; pytest's own are of other classes.
    for handler in [it for it in logging.root.handlers if type(it) in (logging.StreamHandler, logging.FileHandler)]:
        logging.root.removeHandler(handler)
        handler.close()
    logging.root.setLevel(level)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return an unused port of this machine at each call."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture
def project() -> Path:
    """The checkout."""
    return Path(__file__).parent


@dataclass(frozen=True)
class Typed:
    """The result of a command line."""

    exit_code: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Typed]:
    """Run `densenet-sweep` with these arguments in an empty folder, in this process."""
    from densenet_sweep.__main__ import main

    monkeypatch.chdir(tmp_path)
    # main() sets this so that Hydra raises; monkeypatch restores the environment.
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def run(*arguments: str) -> Typed:
        GlobalHydra.instance().clear()
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["densenet-sweep", *arguments])
        exit_code = 0
        try:
            main()
        except SystemExit as stop:
            exit_code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Typed(exit_code, captured.out, captured.err)

    return run


@pytest.fixture
def unavailable(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Skip the test for a reason; or fail, if the part named in its marker `real` is required here."""

    def end(reason: str) -> None:
        marker = request.node.get_closest_marker("real")
        assert marker is not None
        if marker.args[0] in os.environ.get("DENSENET_SWEEP_TEST_REAL", "").split(","):
            pytest.fail(f"DENSENET_SWEEP_TEST_REAL promises {marker.args[0]}: {reason}")
        pytest.skip(reason)

    return end


# Parts that a machine has once, or that start slowly: one worker of pytest-xdist runs all tests of each.
_ONE_WORKER = {"slurm", "ray", "postgres", "browser", "hosts"}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests of a CUDA device where there is none, and give each shared part's tests to one worker."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        if config.pluginmanager.hasplugin("xdist") and (group := _group(item)):
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish(session: pytest.Session) -> None:
    """End the tests if pytest-xdist has not grouped them: every worker would start every shared part for itself."""
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            if (group := _group(item)) and not item.nodeid.endswith(f"@{group}"):
                raise pytest.UsageError(f"pytest {pytest.__version__}: pytest-xdist does not group {item.nodeid} on it")


def _group(item: pytest.Item) -> str | None:
    """Return the group of tests that share a part with this one, or None if it may run beside any other."""
    parts = {marker.args[0] for marker in item.iter_markers("real")} & _ONE_WORKER
    if parts:
        return str(min(parts))
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 - no public way up to pytest 9
    if any(definition[-1].scope == "module" for definition in definitions.values()):
        return item.nodeid.partition("::")[0]
    return "server" if "the_server" in definitions else None
