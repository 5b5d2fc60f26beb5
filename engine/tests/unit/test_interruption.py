import os
import signal
import sys
import time

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra_async_sweeper import TrialPruned
from hydra_async_sweeper.workers.interruption import Interruption


@pytest.fixture(autouse=True)
def now(monkeypatch) -> list[float]:
    """The time; each reading is a second after the last, unless the test stops it."""
    the_time = [0.0, 1.0]

    def read() -> float:
        the_time[0] += the_time[1]
        return the_time[0]

    monkeypatch.setattr(time, "monotonic", read)
    return the_time


class PreemptedError(Exception):
    """What submitit raises where it may not put a job back into the queue."""


@pytest.fixture
def handled(request):
    """A scheduler's handler of SIGUSR2 that ends as the test asks."""

    def handler(*_: object) -> None:
        raise request.param

    before = signal.signal(signal.SIGUSR2, handler)
    yield request.param
    assert signal.signal(signal.SIGUSR2, before) is handler


@pytest.mark.parametrize("handled", [SystemExit(-1), PreemptedError("no more time")], indirect=True)
def test_what_a_schedulers_handler_raises_is_an_interruption(handled):
    with Interruption().watched() as interruption:
        with pytest.raises(type(handled)):
            os.kill(os.getpid(), signal.SIGUSR2)
        assert interruption.is_requested
        assert interruption.raised is handled


@pytest.mark.parametrize("handled", [SystemExit(-1)], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_no_signal_interrupts_what_is_done_after_a_schedulers_handler(handled, number):
    with Interruption().watched() as interruption:
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGUSR2)
        for _ in range(3):  # Slurm ends a job that is requeued by SIGTERM, at once
            os.kill(os.getpid(), number)
        assert interruption.raised is handled


def test_no_signal_interrupts_a_schedulers_handler():
    def handler(*_: object) -> None:
        for _ in range(3):  # while submitit asks Slurm to requeue the job
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGUSR2, handler)
    with Interruption().watched() as interruption:
        os.kill(os.getpid(), signal.SIGUSR2)
        assert interruption.is_requested
        assert interruption.raised is None
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGUSR2, before)


def test_an_exit_of_the_task_is_none():
    with Interruption().watched() as interruption:
        with pytest.raises(SystemExit):
            sys.exit(1)
        assert not interruption.is_requested
        assert interruption.raised is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops(number):
    before = signal.getsignal(number)
    with Interruption().watched() as interruption:
        os.kill(os.getpid(), number)
        assert interruption.is_requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # at once, while the process leaves
    assert signal.getsignal(number) is before


def test_no_signal_interrupts_what_is_done_after_the_step_that_was_the_last(now):
    with Interruption().watched() as interruption:
        interruption.check()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        os.kill(os.getpid(), signal.SIGINT)
        now[0] += 10.0
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_process_that_does_not_leave_is_stopped_by_a_later_signal(now):
    with Interruption().watched():
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(2):
            now[0] += 10.0
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)


def test_signals_at_one_moment_are_one_request(now):
    now[1] = 0.01
    with Interruption().watched() as interruption:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert interruption.is_requested


def test_an_error_after_a_request_to_stop_is_a_consequence_of_it():
    lost = JobReturn(status=JobStatus.FAILED, _return_value=RuntimeError("DataLoader worker exited unexpectedly"))
    pruned = JobReturn(status=JobStatus.FAILED, _return_value=TrialPruned())
    with Interruption().watched() as interruption:
        interruption.check_returned(lost)
        os.kill(os.getpid(), signal.SIGTERM)
        interruption.check_returned(pruned)
        with pytest.raises(KeyboardInterrupt):
            interruption.check_returned(lost)
