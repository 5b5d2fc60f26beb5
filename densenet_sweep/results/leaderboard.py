"""`densenet-sweep compare [STUDY ...] [--metric M] [--top N] [--format FORMAT] [--html FILE]`: studies' trials, best first."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.commands.arguments import mlflow_config, names_and_overrides, uncollected
from densenet_sweep.confirm import finalists, verdict
from densenet_sweep.confirm import text as confirmation
from densenet_sweep.report import page as report
from densenet_sweep.results import analysis, ranking
from densenet_sweep.results.formats import FORMATS, render
from densenet_sweep.results.formatting import cell, short_names, value
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.studies import find
from densenet_sweep.results.study import Study, Trial

if TYPE_CHECKING:
    from densenet_sweep.results.logged_metric import Metric

# As many different reasons for failures as one wants to read below the table.
_SHOWN_FAILURES = 5

_WIDTH_OF_A_FILE = 120
_ANY_WIDTH = 10_000

# How wide the cells below a heading may become.
_WIDTHS = {"trial": 5, "weights": 9, "seconds": 7, "state": 8}
_WIDTH = 6


def main(arguments: list[str]) -> None:
    """Print the leaderboards of the studies that `arguments` name.

    Raises:
        ValueError: no such study, format or metric.
        ConnectionError: MLflow's store is needed, and cannot be used.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep compare", description=__doc__)
    parser.add_argument(
        "studies",
        nargs="*",
        metavar="STUDY",
        help="their names; the study used last unless given; tracking.uri=... for those that another MLflow store knows",
    )
    parser.add_argument("--metric", metavar="M", help="rank by what the runs logged in MLflow, such as valid_loss")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many trials to show of each (10)")
    parser.add_argument("--format", default="table", metavar="FORMAT", help=f"table, {', '.join(FORMATS)}")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with pictures, too: one file, to be mailed")
    asked = parser.parse_intermixed_args(arguments)
    if asked.top < 1:
        raise ValueError(f"--top {asked.top}: a whole number of at least 1 is accepted")
    if asked.format not in ("table", *FORMATS):
        raise ValueError(f"--format {asked.format}: one of table, {', '.join(FORMATS)} is accepted")
    if asked.html is not None:
        report.check(asked.html)
    names, overrides = names_and_overrides(asked.studies, "compare")
    with uncollected():
        _compare(asked, names, overrides)


def _compare(asked: argparse.Namespace, names: Sequence[str], overrides: Sequence[str]) -> None:
    asked_for: list[str | None] = [*dict.fromkeys(names)] or [None]
    found = [find(name, overrides) for name in asked_for]
    studies = [read_study(it.load()) for it in found]
    confirmations = [it.name for it in found if finalists.read(it.folder) is not None]
    if asked.html is not None and confirmations:
        raise ValueError(f"--html: {confirmations[0]} is a confirmation; the report of the study that it confirms tells of it")
    metrics = _metrics(studies, asked.metric, overrides, asked.top)
    if asked.format == "table":
        _show_all([it.folder for it in found], studies, metrics, asked.top)
    else:
        print(render(studies, asked.format, asked.top, metrics))
    if asked.html is not None:
        commands = [it.command for it in found]
        report.write(asked.html, report.reported(studies, commands, metrics, overrides), top=asked.top)
        print(f"\nreport: {asked.html}", file=sys.stdout if asked.format == "table" else sys.stderr)


def _show_all(folders: Sequence[Path], studies: Sequence[Study], metrics: "Sequence[Metric | None]", top: int) -> None:
    """Print one after the other, a confirmation as such, after a summary where there are several."""
    if len(studies) > 1:
        from densenet_sweep.results.summary import show_summary

        show_summary(studies, console=wide_console())
    for folder, study, metric in zip(folders, studies, metrics, strict=True):
        confirmed = finalists.read(folder)
        if confirmed is not None and metric is None:
            confirmation.show(verdict.of(study, folder, confirmed), wide_console())
        else:
            show(study, top=top, metric=metric)


def _metrics(studies: Sequence[Study], name: str | None, overrides: Sequence[str], top: int) -> "Sequence[Metric | None]":
    """Return the metric of each study, or nothing of each where none was asked for."""
    if name is None:
        return [None] * len(studies)
    from densenet_sweep.results import logged_metric as metric

    tracking = mlflow_config(overrides, f"--metric {name}")
    return [metric.read(study, name, tracking, top) for study in studies]


def show(study: Study, *, top: int = 10, metric: "Metric | None" = None, console: Console | None = None) -> None:
    """Print the `top` trials of `study`, how many there are in each state, and what they say together."""
    console = console or wide_console()
    rows = ranking.rows(study, metric)
    table = _table(study, rows[:top], metric, gap=1)
    is_narrow = console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum > console.width
    console.print(_table(study, rows[:top], metric, gap=0) if is_narrow else table)
    counts = Counter(trial.state for trial in study.begun)
    console.print(", ".join(f"{counts[state]} {state}" for state in ranking.SHOWN_STATES if counts[state]))
    for reason, numbers in list(_failures(study.in_state("failed")).items())[:_SHOWN_FAILURES]:
        which = f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
        console.print(f"{which} failed: {reason}", markup=False, highlight=False)
    if study.front:
        console.print(
            f"{len(study.front)} of {counts['complete']} complete trials are on the Pareto front: no other is better in one "
            "objective and as good in the rest.",
            highlight=False,
        )
    for line in [*analysis.sentences(study), *([study.note] if study.note else [])]:
        console.print(line, highlight=False, markup=False)


def _table(study: Study, rows: list[ranking.Row], metric: "Metric | None", *, gap: int) -> Table:
    ranked = "" if metric is None else f" by {metric.name}, {metric.order}"
    table = Table(
        title=f"study {escape(study.name + ranked)}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, gap),
        pad_edge=False,
        collapse_padding=True,
    )
    objectives = ["value"] if study.has_one_objective else list(study.objectives)
    parameters = study.parameters
    asked = [] if metric is None or metric.is_shown_by(study) else [metric.name]
    for heading in ("trial", *objectives, *asked, *short_names(parameters), "weights", "epochs", "seconds", "state"):
        # Broken at its underscores a heading is hardly wider than its numbers, so that 80 columns are enough. Where they are
        # not, what was searched is folded; the rest stays readable.
        is_searched = heading in short_names(parameters)
        table.add_column(
            escape(heading.replace("_", "\n")),
            justify="left" if heading == "state" else "right",
            vertical="bottom",
            no_wrap=not is_searched,
            overflow="fold",
            min_width=None if is_searched else _WIDTHS.get(heading, _WIDTH),
        )
    for row in rows:
        cells = (
            str(row.number),
            *([f"{'~ ' if row.is_tied else ''}{value(number)}" for number in row.values] or [""] * len(objectives)),
            *(["" if row.metric is None else value(row.metric)] if asked else []),
            *(cell(row.params.get(name)) for name in parameters),
            cell(row.num_parameters),
            cell(row.epochs),
            cell(row.seconds),
            row.state_and_origin,
        )
        table.add_row(*map(escape, cells), style=None if row.is_complete else "dim")
    return table


def wide_console() -> Console:
    """Return the terminal's console; a file has no width, and what reads it has no need to fold."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _WIDTH_OF_A_FILE))


def _failures(trials: Sequence[Trial]) -> dict[str, list[int]]:
    """Return the numbers of the failed trials under each reason that they had."""
    failures: dict[str, list[int]] = {}
    for trial in trials:
        failures.setdefault(trial.reason or "no reason is known", []).append(trial.number)
    return failures
