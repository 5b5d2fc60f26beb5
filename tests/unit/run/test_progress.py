import threading

import pytest

from densenet_sweep.run import progress


def test_what_takes_long_is_said_while_it_does():
    said = threading.Event()
    heard: list[str] = []

    def say(message: str) -> None:
        heard.append(message)
        said.set()

    with progress.log_if_slow(say, "reading", seconds=0.01):
        assert said.wait(10)
    assert heard == ["reading"]


def test_what_is_quick_or_fails_is_not_spoken_of():
    heard: list[str] = []
    with pytest.raises(OSError), progress.log_if_slow(heard.append, "reading", seconds=0.2):  # noqa: PT011 - it has no text
        raise OSError
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()
    assert heard == []


def test_the_part_of_an_epoch_that_is_done_is_noted():
    noted: list[float] = []
    assert list(progress.of_epoch("abcd", 4, index=2, epochs=5, note=noted.append)) == ["a", "b", "c", "d"]
    assert noted == [2.25, 2.5, 2.75, 3.0]
