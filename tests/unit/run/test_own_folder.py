"""A folder belongs to one command at a time."""

import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from densenet_sweep.config.schema import ConfigError
from densenet_sweep.run import own_folder


@pytest.fixture(autouse=True)
def _nothing_is_held() -> Iterator[None]:
    yield
    own_folder.release()


def _hold(folder: Path, parent: Connection) -> None:
    own_folder.claim(folder)
    parent.send("held")
    parent.recv()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """Another process that holds the folder."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path / "run", theirs))
    process.start()
    assert ours.recv() == "held"
    yield process
    process.kill()
    process.join()


def test_who_holds_it_is_named_and_a_dead_process_holds_nothing(other, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    owner = f"process {other.pid} on {socket.gethostname()}"
    with pytest.raises(ConfigError, match=f"^{tmp_path / 'run'}: {owner} trains there; wait until it has ended, or choose"):
        own_folder.claim(tmp_path / "run")
    assert sorted(tmp_path.rglob("*")) == before
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    own_folder.claim(tmp_path / "run")


def test_it_is_claimed_once_and_nothing_stays_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_folder.claim(Path("a/run"))
    own_folder.claim(tmp_path / "a" / "run")
    own_folder.claim(Path("b"))
    own_folder.release()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "run"]
    own_folder.claim(Path("b"))


def test_where_there_are_no_locks_training_continues(tmp_path, monkeypatch):
    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    own_folder.claim(tmp_path)
    own_folder.release()
