"""The table of a sweep on the terminal that runs it, below what the sweep and its workers print.

Nothing here may disturb the sweep: a separate thread reads the storage, and its errors only skip a redraw.
"""

import datetime
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live

from hydra_async_sweeper.terminal import status_table
from hydra_async_sweeper.workers.lease import Silence

if TYPE_CHECKING:
    import optuna

_DRAW_SECONDS = 0.5
_READ_SECONDS = 1.0
# How long to wait for the thread at the end; one stuck on an unresponsive storage is left behind.
_END_SECONDS = 1.0


@contextmanager
def shown(load_study: Callable[[], "optuna.Study"], n_trials: int) -> Iterator[None]:
    """Show the table inside the context where standard output is a terminal; elsewhere do nothing at all.

    What this process prints or logs meanwhile appears above the table; so does a child's output that is written to
    `sys.stdout`. On exit the table disappears, and the streams, the log handlers and the environment are restored.

    Args:
        load_study: opens the study; called in another thread, and again after a failure.
        n_trials: finished trials that end the sweep.
    """
    # Long lines are left to the terminal, so that a printed command can be copied. The console keeps an environment of its own
    # because TERM is about to change. Rich's own switch for the environment is called _environ.
    console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False, _environ=dict(os.environ))
    # With FORCE_COLOR, Rich takes every file for a terminal.
    if not (console.is_interactive and sys.stdout.isatty()):
        yield
        return
    # A redirected standard error goes where the user sent it.
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stderr=sys.stderr.isatty())
    over = threading.Event()
    drawing = threading.Thread(target=_draw, args=(live, load_study, n_trials, over), name="sweep-table", daemon=True)
    with ExitStack() as undo:
        undo.enter_context(_no_bars())
        undo.enter_context(_redirected(live))
        drawing.start()
        undo.callback(drawing.join, _END_SECONDS)
        undo.callback(over.set)
        yield


def _draw(live: Live, load_study: Callable[[], "optuna.Study"], n_trials: int, over: threading.Event) -> None:
    study: optuna.Study | None = None
    seen: status_table.Snapshot | None = None
    silence = Silence()
    last_read = -_READ_SECONDS
    while not over.is_set():
        if time.monotonic() - last_read >= _READ_SECONDS:
            last_read = time.monotonic()
            try:
                study = study or load_study()
                seen = status_table.read(study, silence)
            except Exception:
                study = None
        if seen is not None and not over.is_set():
            with suppress(Exception):
                live.update(status_table.render(seen, n_trials, datetime.datetime.now()), refresh=True)
        over.wait(_DRAW_SECONDS)


@contextmanager
def _redirected(live: Live) -> Iterator[None]:
    """Run `live` inside the context, and redirect existing log handlers through it."""
    before = (sys.stdout, sys.stderr)
    live.start()
    through = (sys.stdout, sys.stderr)
    _repoint(before, through)
    try:
        yield
    finally:
        try:
            for stream in through:
                stream.flush()  # an unfinished line
            live.update("", refresh=True)  # Rich ends with the whole table; a short terminal would keep its top
        except OSError:  # the terminal has gone; what is left would fail again where Python closes Rich's streams
            live.console.file = io.StringIO()
            for stream in through:
                with suppress(OSError):
                    stream.flush()
        with suppress(OSError):
            live.stop()
        _repoint(through, before)


def _repoint(streams: tuple[TextIO, TextIO], others: tuple[TextIO, TextIO]) -> None:
    """Redirect every log handler from one of `streams` to its counterpart in `others`."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in [logger for logger in loggers if isinstance(logger, logging.Logger)]:
        for handler in logger.handlers:
            for stream, other in zip(streams, others, strict=True):
                if isinstance(handler, logging.StreamHandler) and handler.stream is stream and other is not stream:
                    handler.setStream(other)
                    break


@contextmanager
def _no_bars() -> Iterator[None]:
    """Disable progress bars in this process and its children: they would overlap with the table."""
    before = os.environ.get("TERM")
    os.environ["TERM"] = "dumb"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TERM"]
        else:
            os.environ["TERM"] = before
