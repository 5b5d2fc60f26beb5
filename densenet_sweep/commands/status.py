"""`densenet-sweep status [STUDY] [--watch]`: how far a study is and what its workers are doing, from any shell."""

import contextlib
import datetime
import time
from typing import TYPE_CHECKING

from hydra_async_sweeper.application import Silence
from hydra_async_sweeper.terminal import status_table
from hydra_async_sweeper.terminal.status_table import Snapshot
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from densenet_sweep.commands.arguments import add_studies, names_and_overrides
from densenet_sweep.config.command_line import Parser
from densenet_sweep.results.studies import AnyStudy, find
from densenet_sweep.results.study import Study

if TYPE_CHECKING:
    import optuna

_DRAW_SECONDS = 1.0
# Between two reads of all the runs of a study in MLflow.
_ASK_SECONDS = 5.0


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("status", __doc__)
    add_studies(arguments, "its name")
    arguments.add_argument("--watch", action="store_true", help="every second, until Ctrl-C or until its n_trials are finished")
    return arguments


def main(arguments: list[str]) -> None:
    """Print the state of the study that `arguments` name.

    Raises:
        ValueError: no such study.
        ConnectionError: it is only in MLflow, whose store cannot be used.
    """
    parsed = parser().parse_intermixed_args(arguments)
    names, overrides = names_and_overrides(parsed.studies, "status")
    if len(names) > 1:
        raise ValueError(f"{' '.join(names)}: the name of one study is accepted")
    found = find(names[0] if names else None, overrides)
    if parsed.watch:
        watch(found)
    else:
        show(found)


def show(found: AnyStudy, console: Console | None = None) -> None:
    """Print how far the study is, what runs and what ended last."""
    (console or Console()).print(_drawn(*_read(found.load(), Silence()), found.n_trials))


def watch(found: AnyStudy, console: Console | None = None) -> None:
    """Show the same every second until the budget is finished or Ctrl-C; the last state stays on the screen."""
    study = found.load()
    silence = Silence()
    with contextlib.suppress(KeyboardInterrupt), Live(console=console or Console(), auto_refresh=False) as live:
        while True:
            seen, note = _read(study, silence)
            live.update(_drawn(seen, note, found.n_trials), refresh=True)
            if found.n_trials is not None and len(seen.finished()) >= found.n_trials:
                return
            if isinstance(study, Study):  # from MLflow's runs
                time.sleep(_ASK_SECONDS)
                study = found.load()
            else:
                time.sleep(_DRAW_SECONDS)


def _read(study: "optuna.Study | Study", silence: Silence) -> tuple[Snapshot, str | None]:
    """Return the study's present state, and a note for one that its runs in MLflow have; these show no renewals of leases."""
    if not isinstance(study, Study):
        return status_table.read(study, silence), None
    best = max(study.complete, key=lambda trial: trial.values[0] * (1 if study.is_maximized else -1), default=None)
    trials = [
        status_table.Entry(
            number=trial.number,
            state=trial.state,
            params=trial.params,
            values=trial.values,
            reports=trial.reports,
            num_steps=trial.epochs,
            seconds=trial.seconds_without_rungs,
            lease=trial.lease,
            reason=trial.reason,
            start=trial.start,
            end=trial.end,
        )
        for trial in study.trials
    ]
    return Snapshot(study.name, trials, best.number if best is not None and study.has_one_objective else None), study.note


def _drawn(seen: Snapshot, note: str | None, n_trials: int | None) -> RenderableType:
    lines = [Text(note, style="dim")] if note else []
    return Group(Text(f"study {seen.name}"), status_table.render(seen, n_trials, datetime.datetime.now()), *lines)
