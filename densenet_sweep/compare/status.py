"""`densenet-sweep status [STUDY] [--watch]`: how far a study is and what its workers are doing, from any shell."""

import argparse
import contextlib
import datetime
import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from densenet_sweep.compare.studies import FoundStudy, find
from densenet_sweep.sweep import table

_DRAW_SECONDS = 1.0


def main(arguments: list[str]) -> None:
    """Print the state of the study that `arguments` name.

    Raises:
        ValueError: no such study.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep status", description=__doc__)
    parser.add_argument("study", nargs="?", metavar="STUDY", help="its name; the study used last unless given")
    parser.add_argument("--watch", action="store_true", help="every second, until Ctrl-C or until its n_trials are finished")
    asked = parser.parse_args(arguments)
    found = find(asked.study)
    if asked.watch:
        watch(found)
    else:
        show(found)


def show(found: FoundStudy, console: Console | None = None) -> None:
    """Print how far the study is, what runs and what ended last."""
    (console or Console()).print(_drawn(table.read(found.load()), found.n_trials))


def watch(found: FoundStudy, console: Console | None = None) -> None:
    """Show the same every second until the budget is finished or the user has seen enough; the last state stays."""
    study = found.load()
    with contextlib.suppress(KeyboardInterrupt), Live(console=console or Console(), auto_refresh=False) as live:
        while True:
            seen = table.read(study)
            live.update(_drawn(seen, found.n_trials), refresh=True)
            if found.n_trials is not None and len(seen.finished()) >= found.n_trials:
                return
            time.sleep(_DRAW_SECONDS)


def _drawn(seen: table.Snapshot, n_trials: int | None) -> RenderableType:
    return Group(Text(f"study {seen.name}"), table.of(seen, n_trials, datetime.datetime.now()))
