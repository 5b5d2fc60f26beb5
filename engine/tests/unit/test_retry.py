import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hydra_async_sweeper.study import retry
from hydra_async_sweeper.study.retry import wait_out


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "_LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(retry.Outage, "ended", 0.0)  # put back afterwards: after an outage no lease is judged for a while


def fails(times: int):
    """Return a call that fails so often before it returns."""
    left = [times]

    def call() -> str:
        if left[0] > 0:
            left[0] -= 1
            raise ConnectionRefusedError(111, "Connection refused")
        return "done"

    return call


def is_passing(error: BaseException) -> bool:
    return isinstance(error, OSError)


def test_an_outage_and_its_end_are_one_line_each(caplog):
    assert wait_out(fails(3), is_passing, "the server") == "done"
    assert [record.message.partition(" after")[0] for record in caplog.records] == [
        "the server does not answer (Connection refused); waiting for it",
        "the server is back",
    ]


def test_a_failure_that_is_over_at_once_is_no_outage(caplog):
    assert wait_out(fails(1), is_passing, "the server") == "done"
    assert not caplog.records


def test_a_call_that_failed_after_a_while_is_an_outage(caplog, monkeypatch):
    monkeypatch.setattr(retry, "_LONG_SECONDS", -1.0)
    wait_out(fails(1), is_passing, "the server")
    assert len(caplog.records) == 2


def test_of_several_threads_the_first_says_it(caplog):
    tries = {1: 0, 2: 0}

    def call(thread: int) -> None:
        tries[thread] += 1
        if min(tries.values()) < 3:
            raise ConnectionRefusedError(111, "Connection refused")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda thread: wait_out(lambda: call(thread), is_passing, "the server"), tries))
    assert [record.message.split()[2] for record in caplog.records] == ["does", "is"]


def test_a_call_that_fails_late_belongs_to_the_outage_that_it_began_in(caplog, monkeypatch):
    monkeypatch.setattr(retry, "_LONG_SECONDS", -1.0)
    failing = fails(1)

    def call() -> str:
        retry.Outage.ended = time.monotonic() + 1e-3
        return failing()

    assert wait_out(call, is_passing, "the server") == "done"
    assert not caplog.records


def test_another_error_is_raised_at_once():
    with pytest.raises(ZeroDivisionError):
        wait_out(lambda: 1 // 0, is_passing, "the server")
