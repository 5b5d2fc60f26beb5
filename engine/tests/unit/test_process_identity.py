import os
import subprocess
import sys
import time

import psutil
import pytest
from hydra_async_sweeper.workers import process_identity
from hydra_async_sweeper.workers.process_identity import is_gone, machine, process_start


class NoFiles:
    """Stands for `Path` where there is no /proc."""

    def __init__(self, *_: object) -> None:
        pass

    def read_text(self) -> str:
        raise FileNotFoundError

    readlink = read_text


@pytest.fixture
def _without_proc(monkeypatch):
    machine.cache_clear()
    monkeypatch.setattr(process_identity, "Path", NoFiles)
    yield
    machine.cache_clear()


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.usefixtures("_without_proc")
def test_without_proc_a_process_is_known_by_its_time_of_start(dead):
    start = process_start(os.getpid())
    assert start == pytest.approx(psutil.Process().create_time(), abs=0.1)
    assert not is_gone(os.getpid(), start, machine())
    assert is_gone(os.getpid(), start - 10, machine())
    assert process_start(dead) is None
    assert is_gone(dead, start, machine())


@pytest.mark.usefixtures("_without_proc")
def test_a_process_that_the_system_hides_is_not_taken_for_dead(dead, monkeypatch):
    def hidden(pid: int) -> None:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", hidden)
    assert process_start(os.getpid()) is None
    assert not is_gone(os.getpid(), 1.0, machine())
    assert is_gone(dead, 1.0, machine())


def test_a_process_is_known_by_its_number_and_its_start():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        start = process_start(living.pid)
        assert start == process_start(living.pid)
        assert not is_gone(living.pid, start, machine())
        assert is_gone(living.pid, start + 1, machine())
        assert not is_gone(living.pid, start + 1, f"{machine()}0")
        living.kill()
        living.stdin.close()
        deadline = time.monotonic() + 60
        while not is_gone(living.pid, start, machine()) and time.monotonic() < deadline:  # nobody has waited for it yet
            time.sleep(0.01)
        assert is_gone(living.pid, start, machine())
