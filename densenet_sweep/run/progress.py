"""Feedback during slow steps: a progress bar on a terminal, a line in a log."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


def of_epoch(
    batches: Iterable[Item], num_batches: int, index: int, epochs: int, note: Callable[[float], None]
) -> Iterator[Item]:
    """Yield `batches`; if standard error is a terminal, show a progress bar and remove it at the end.

    Args:
        batches: of an epoch.
        num_batches: in it.
        index: of the epoch.
        epochs: in all.
        note: called after each batch with the epochs done, this one in part.
    """

    def noted() -> Iterator[Item]:
        for number, batch in enumerate(batches, start=1):
            yield batch
            note(index + number / num_batches)

    console = Console(file=sys.stderr)
    if not console.is_terminal or console.is_dumb_terminal:
        yield from noted()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(noted(), total=num_batches, description=f"epoch {index + 1}/{epochs}")


@contextmanager
def log_if_slow(say: Callable[[str], None], message: str, seconds: float = 5.0) -> Iterator[None]:
    """Call `say` with `message` if the context takes more than `seconds`."""
    timer = threading.Timer(seconds, say, (message,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
