import os
import signal
import sys

import pytest
from hydra_async_sweeper.workers.interruption import Interruption


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
        assert interruption.is_asked_for
        assert interruption.raised is handled


def test_an_exit_of_the_task_is_none():
    with Interruption().watched() as interruption:
        with pytest.raises(SystemExit):
            sys.exit(1)
        assert not interruption.is_asked_for
        assert interruption.raised is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops(number):
    before = signal.getsignal(number)
    with Interruption().watched() as interruption:
        os.kill(os.getpid(), number)
        assert interruption.is_asked_for
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
