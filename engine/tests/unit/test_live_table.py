import contextlib
import logging
import os
import pty
import re
import sys
import threading
import time

import optuna
import pytest
from hydra_async_sweeper.terminal import live_table


class Terminal:
    """A pseudo-terminal, inside its context standard output and error, and what has been written to it."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w", buffering=1)
        self._written = b""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> None:  # not in a fixture: pytest sets the streams after the fixtures have had their turn
        self._before = (sys.stdout, sys.stderr)
        sys.stdout = sys.stderr = self.stream

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._before

    def _read(self) -> None:
        try:
            while chunk := os.read(self._master, 65536):
                self._written += chunk
        except OSError:  # Linux says so that the other end is closed
            return

    def wait_for(self, text: str) -> str:
        """Return everything so far, without the codes, as soon as `text` is there."""
        deadline = time.monotonic() + 20
        while text not in self.text() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert text in self.text()
        return self.text()

    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._written.decode().replace("\r", ""))

    def raw(self) -> bytes:
        return self._written

    def close(self) -> None:
        try:
            self.stream.close()
        finally:
            self._reading.join(timeout=10)
            os.close(self._master)


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(live_table, "_DRAW_SECONDS", 0.02)
    monkeypatch.setattr(live_table, "_READ_SECONDS", 0.02)
    opened = Terminal()
    yield opened
    opened.close()


@pytest.fixture
def logger():
    logger = logging.getLogger("hydra_async_sweeper.tests.live")
    logger.propagate = False
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study()
    study.tell(study.ask(), 0.5)
    return study


def never() -> optuna.Study:
    raise AssertionError("nothing is to be loaded")


def assert_nothing_is_done() -> None:
    before = (sys.stdout, sys.stderr, os.environ["TERM"], threading.active_count())
    with live_table.shown(never, 9):
        assert (sys.stdout, sys.stderr, os.environ["TERM"], threading.active_count()) == before


def test_on_a_dumb_terminal_nothing_is_done(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with terminal:
        assert_nothing_is_done()
    assert terminal.raw() == b""


def test_into_a_file_nothing_is_done_even_where_colors_are_forced(terminal, monkeypatch, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w") as file, terminal:
        monkeypatch.setattr(sys, "stdout", file)
        assert_nothing_is_done()
    assert (tmp_path / "log").read_text() == ""


def test_the_table_is_shown_and_leaves_everything_as_it_was(terminal, study):
    with terminal:
        with live_table.shown(lambda: study, 9):
            assert "best 0.5000 (trial 0)" in terminal.wait_for("(trial 0)")
            assert os.environ["TERM"] == "dumb"  # bars of this process and its children would overlap with the table
            study.tell(study.ask(), 0.25)
            terminal.wait_for("2 of 9 finished")
        assert sys.stdout is sys.stderr is terminal.stream
        sys.stdout.write("the end\n")
    assert os.environ["TERM"] == "xterm"
    assert not any(thread.name == "sweep-table" for thread in threading.enumerate())
    terminal.wait_for("the end")
    assert terminal.raw().rstrip().endswith(b"\x1b[2Kthe end")  # where the table's first line was


def test_a_low_terminal_shows_what_fits_and_keeps_nothing_of_it(terminal, study, monkeypatch):
    monkeypatch.setenv("LINES", "6")
    for _ in range(4):
        study.tell(study.ask(), 0.75)
    with terminal:
        with live_table.shown(lambda: study, 9):
            terminal.wait_for("...")
        sys.stdout.write("the end\n")
    text = terminal.wait_for("the end")
    assert "    4  0.7500  complete" in text
    assert "    0  0.5000  complete" not in text


def test_what_is_printed_stands_above_the_table_as_it_is(terminal, study):
    line = "[bold]a command[/] " + 30 * "to copy " + ":smile:"
    with terminal, live_table.shown(lambda: study, 9):
        terminal.wait_for("1 of 9 finished")
        sys.stdout.write(f"{line}\n")
        sys.stderr.write("to the standard error\n")
        sys.stdout.write("without [an] end")
    text = terminal.wait_for("without [an] end\n")
    assert f"{line}\n1 of 9 finished" in text
    assert "to the standard error\n1 of 9 finished" in text


def test_log_handlers_of_before_write_above_the_table_and_have_their_streams_back(terminal, study, logger, tmp_path):
    with terminal:
        early, file = logging.StreamHandler(sys.stdout), logging.FileHandler(tmp_path / "log")
        early.setFormatter(logging.Formatter("early %(message)s"))
        logger.addHandler(early)
        logger.addHandler(file)
        with live_table.shown(lambda: study, 9):
            late = logging.StreamHandler(sys.stdout)  # such as Hydra's for a job of this process
            late.setFormatter(logging.Formatter("late %(message)s"))
            logger.addHandler(late)
            terminal.wait_for("1 of 9 finished")
            logger.warning("trial 0 begins")
            terminal.wait_for("early trial 0 begins\n1 of 9 finished")
            terminal.wait_for("late trial 0 begins\n1 of 9 finished")
    assert early.stream is late.stream is terminal.stream
    assert (tmp_path / "log").read_text() == "trial 0 begins\n"


def test_a_standard_error_that_goes_to_a_file_stays_there(terminal, study, monkeypatch, tmp_path, logger):
    with (tmp_path / "errors").open("w") as file, terminal:
        monkeypatch.setattr(sys, "stderr", file)
        handler = logging.StreamHandler(sys.stderr)
        logger.addHandler(handler)
        with live_table.shown(lambda: study, 9):
            terminal.wait_for("1 of 9 finished")
            logger.warning("careful")
            assert handler.stream is file
    assert (tmp_path / "errors").read_text() == "careful\n"
    assert "careful" not in terminal.text()


def test_a_storage_that_fails_costs_a_redraw(terminal, study):
    turns = []

    def load() -> optuna.Study:
        turns.append(None)
        if len(turns) < 3:
            raise ConnectionError("the database is away")
        return study

    with terminal, live_table.shown(load, 9):
        terminal.wait_for("1 of 9 finished")
    assert "the database is away" not in terminal.text()


def test_a_study_that_fails_is_opened_again_and_what_was_seen_stays(terminal, study, monkeypatch):
    opened = []

    def load() -> optuna.Study:
        opened.append(None)
        return study

    with terminal, live_table.shown(load, 9):
        terminal.wait_for("1 of 9 finished")
        with monkeypatch.context() as broken:
            broken.setattr(study, "get_trials", never)
            num_opened = len(opened)
            while len(opened) < num_opened + 2:
                time.sleep(0.01)
        study.tell(study.ask(), 0.25)
        terminal.wait_for("2 of 9 finished")


def test_the_storage_is_read_less_often_than_the_table_is_drawn(terminal, study, monkeypatch):
    monkeypatch.setattr(live_table, "_READ_SECONDS", 60.0)
    reads, read = [], live_table.status_table.read
    monkeypatch.setattr(live_table.status_table, "read", lambda *given: reads.append(None) or read(*given))
    with terminal, live_table.shown(lambda: study, 9):
        deadline = time.monotonic() + 20
        while terminal.text().count("1 of 9 finished") < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert terminal.text().count("1 of 9 finished") >= 5
    assert len(reads) == 1


def test_a_storage_that_does_not_answer_is_not_waited_for(terminal, study, monkeypatch):
    monkeypatch.setattr(live_table, "_END_SECONDS", 0.05)
    answers = threading.Event()

    def load() -> optuna.Study:
        answers.wait(20)
        return study

    with terminal, live_table.shown(load, 9):
        [drawing] = [thread for thread in threading.enumerate() if thread.name == "sweep-table"]
    assert drawing.is_alive()
    answers.set()
    drawing.join(20)
    assert "finished" not in terminal.text()


def test_an_error_of_the_sweep_passes_through(terminal, study):
    with terminal:
        with pytest.raises(KeyboardInterrupt), live_table.shown(lambda: study, 9):
            raise KeyboardInterrupt
        assert sys.stdout is terminal.stream
    assert os.environ["TERM"] == "xterm"


def test_a_terminal_that_goes_away_does_not_end_the_sweep(terminal, study, monkeypatch):
    master, slave = pty.openpty()
    # Closed by hand: what is left in its buffer can no longer be written.
    stream = os.fdopen(slave, "w", buffering=1, closefd=False)
    with terminal:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        with live_table.shown(lambda: study, 9):
            sys.stdout.write("without an end")
            os.close(master)
            time.sleep(0.1)
        assert sys.stdout is sys.stderr is stream
    with contextlib.suppress(OSError):
        stream.close()
    os.close(slave)
