"""`densenet-sweep compare [STUDY ...] [--metric M] [--top N] [--format FORMAT] [--html FILE | --live]`: trials, best first."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from densenet_sweep.commands.arguments import add_studies, names_and_overrides
from densenet_sweep.config.command_line import Parser
from densenet_sweep.confirm import finalists, leave_out, verdict
from densenet_sweep.confirm import text as confirmation
from densenet_sweep.report import page as report
from densenet_sweep.results.followed import Followed
from densenet_sweep.results.formats import FORMATS, render
from densenet_sweep.results.leaderboard import show, wide_console
from densenet_sweep.results.logged_metric import Metric
from densenet_sweep.results.studies import AnyStudy, find, values_of
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
    arguments.add_argument(
        "--live", action="store_true", help="serve this report on this machine until Ctrl-C, and update it as trials end"
    )
    arguments.add_argument("--port", type=int, default=None, metavar="N", help="of --live; a free one unless given")
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
    _check_live(parsed)
    if parsed.html is not None:
        report.check(parsed.html)
    with uncollected():
        _compare(parsed, names, overrides)


def _check_live(parsed: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: naming one of them.
    """
    if parsed.port is not None and not parsed.live:
        raise ValueError(f"--port {parsed.port}: is of --live, which serves the report")
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise ValueError(f"--port {parsed.port}: a whole number from 1 to 65535 is accepted")
    others = {"--html": parsed.html is not None, "--format": parsed.format != "table"}
    if parsed.live and any(others.values()):
        given = " and no ".join(key for key, is_given in others.items() if is_given)
        raise ValueError(f"--live serves the report: it takes no {given}")


def _compare(parsed: argparse.Namespace, names: Sequence[str], overrides: Sequence[str]) -> None:
    wanted: list[str | None] = [*dict.fromkeys(names)] or [None]
    found = [find(name, overrides) for name in wanted]
    if parsed.live:
        _serve(parsed, found, overrides)
        return
    studies = [values_of(it) for it in found]
    if parsed.html is not None:
        _refuse_confirmation(found, "--html")
    metrics = _metrics(studies, parsed.metric, overrides, parsed.top)
    if parsed.format == "table":
        _show_all([it.folder for it in found], studies, metrics, parsed.top)
    else:
        print(render(studies, parsed.format, parsed.top, metrics))
    if parsed.html is not None:
        commands = [it.command for it in found]
        report.write(parsed.html, report.reported(studies, commands, metrics, overrides), top=parsed.top)
        print(f"\nreport: {parsed.html}", file=sys.stdout if parsed.format == "table" else sys.stderr)


def _refuse_confirmation(found: Sequence[AnyStudy], option: str) -> None:
    names = [it.name for it in found if finalists.read(it.folder) is not None]
    if names:
        raise ValueError(f"{option}: {names[0]} is a confirmation; the report of the study that it confirms tells of it")


def _serve(parsed: argparse.Namespace, found: Sequence[AnyStudy], overrides: Sequence[str]) -> None:
    """Serve the report of the studies until Ctrl-C."""
    from densenet_sweep.report import live

    _refuse_confirmation(found, "--live")
    followed = [Followed(it) for it in found]

    def make(version: str) -> str:
        studies = [it.values() for it in followed]
        metrics = _metrics(studies, parsed.metric, overrides, parsed.top)
        commands = [it.command for it in found]
        return report.page(report.reported(studies, commands, metrics, overrides), top=parsed.top, version=version)

    page = live.LivePage(lambda: tuple(it.state() for it in followed), make)
    try:
        live.serve(page, parsed.port or 0, lambda address: print(f"{address}  follows the sweep; Ctrl-C ends it", flush=True))
    except KeyboardInterrupt:
        print("\nthe report is no longer served")


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
