"""`densenet-sweep compare [STUDY ...] [--metric M] [--top N] [--format FORMAT] [--html FILE]`: studies' trials, best first."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from densenet_sweep.commands.arguments import add_studies, names_and_overrides
from densenet_sweep.config.command_line import Parser
from densenet_sweep.confirm import finalists, leave_out, verdict
from densenet_sweep.confirm import text as confirmation
from densenet_sweep.report import page as report
from densenet_sweep.results.formats import FORMATS, render
from densenet_sweep.results.leaderboard import show, wide_console
from densenet_sweep.results.logged_metric import Metric
from densenet_sweep.results.studies import find, values_of
from densenet_sweep.results.study import Study
from densenet_sweep.tracking.access import mlflow_config, uncollected


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("compare", __doc__)
    add_studies(arguments, "their names")
    arguments.add_argument("--metric", metavar="M", help="rank by what the runs logged in MLflow, such as valid_loss")
    arguments.add_argument("--top", type=int, default=10, metavar="N", help="how many trials to show of each (10)")
    arguments.add_argument("--format", default="table", metavar="FORMAT", help=f"table, {', '.join(FORMATS)}")
    arguments.add_argument(
        "--html", type=Path, metavar="FILE", help="write a report with pictures, too: one file, to be mailed"
    )
    return arguments


def main(arguments: list[str]) -> None:
    """Print the leaderboards of the studies that `arguments` name.

    Raises:
        ValueError: no such study, format or metric.
        ConnectionError: MLflow's store is needed, and cannot be used.
    """
    parsed = parser().parse_intermixed_args(arguments)
    names, overrides = names_and_overrides(parsed.studies, "compare")
    if parsed.top < 1:
        raise ValueError(f"--top {parsed.top}: a whole number of at least 1 is accepted")
    if parsed.format not in ("table", *FORMATS):
        raise ValueError(f"--format {parsed.format}: one of table, {', '.join(FORMATS)} is accepted")
    if parsed.html is not None:
        report.check(parsed.html)
    with uncollected():
        _compare(parsed, names, overrides)


def _compare(parsed: argparse.Namespace, names: Sequence[str], overrides: Sequence[str]) -> None:
    asked_for: list[str | None] = [*dict.fromkeys(names)] or [None]
    found = [find(name, overrides) for name in asked_for]
    studies = [values_of(it) for it in found]
    confirmations = [it.name for it in found if finalists.read(it.folder) is not None]
    if parsed.html is not None and confirmations:
        raise ValueError(f"--html: {confirmations[0]} is a confirmation; the report of the study that it confirms tells of it")
    metrics = _metrics(studies, parsed.metric, overrides, parsed.top)
    if parsed.format == "table":
        _show_all([it.folder for it in found], studies, metrics, parsed.top)
    else:
        print(render(studies, parsed.format, parsed.top, metrics))
    if parsed.html is not None:
        commands = [it.command for it in found]
        report.write(parsed.html, report.reported(studies, commands, metrics, overrides), top=parsed.top)
        print(f"\nreport: {parsed.html}", file=sys.stdout if parsed.format == "table" else sys.stderr)


def _show_all(folders: Sequence[Path], studies: Sequence[Study], metrics: Sequence[Metric | None], top: int) -> None:
    """Print the studies one after the other, confirmations as verdicts; several after a summary."""
    if len(studies) > 1:
        from densenet_sweep.results.summary import show_summary

        show_summary(studies, console=wide_console())
    explains = True
    for folder, study, metric in zip(folders, studies, metrics, strict=True):
        confirmed = finalists.read(folder)
        if confirmed is not None and confirmed.column and metric is None:
            leave_out.show(study, confirmed, wide_console())
        elif confirmed is not None and metric is None:
            confirmation.show(verdict.reach(study, folder, confirmed), wide_console())
        else:
            explains = not show(study, top=top, metric=metric, explains=explains) and explains


def _metrics(studies: Sequence[Study], name: str | None, overrides: Sequence[str], top: int) -> Sequence[Metric | None]:
    """Return the requested metric of each study, or None for each if `name` is None."""
    if name is None:
        return [None] * len(studies)
    from densenet_sweep.results import logged_metric as metric

    tracking = mlflow_config(overrides, f"--metric {name}")
    return [metric.read(study, name, tracking, top) for study in studies]
