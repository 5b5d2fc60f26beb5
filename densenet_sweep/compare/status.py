"""`densenet-sweep status [STUDY]`: how far a study is and what its workers are doing, from any shell."""

import argparse
import datetime
import socket
from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.compare.studies import FoundStudy, find
from densenet_sweep.sweep.lease import ATTEMPT, LEASE, is_dead

if TYPE_CHECKING:
    import optuna


def main(arguments: list[str]) -> None:
    """Print the state of the study that `arguments` name.

    Raises:
        ValueError: no such study.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep status", description=__doc__)
    parser.add_argument("study", nargs="?", metavar="STUDY", help="its name; the study used last unless given")
    show(find(parser.parse_args(arguments).study))


def show(found: FoundStudy, console: Console | None = None) -> None:
    """Print how many trials there are in each state, and a line for each that is running."""
    console = console or Console()
    study = found.load()
    trials = study.get_trials(deepcopy=False)
    counts = Counter(trial.state.name for trial in trials)
    finished = counts["COMPLETE"] + counts["PRUNED"]
    budget = f" of {found.n_trials}" if found.n_trials is not None else ""
    console.print(
        f"study {escape(study.study_name)}: {finished}{budget} trials finished "
        f"({counts['COMPLETE']} complete, {counts['PRUNED']} pruned), {counts['FAIL']} failed, {counts['RUNNING']} running, "
        f"{counts['WAITING']} waiting",
        highlight=False,
    )
    if counts["COMPLETE"] and len(study.directions) == 1:
        console.print(f"best {study.best_value:.4f}, trial {study.best_trial.number}", highlight=False)
    running = [trial for trial in trials if trial.state.name == "RUNNING"]
    if not running:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("trial", "epoch", "value", "running for", "attempt", "worker", "parameters"):
        table.add_column(heading, justify="left" if heading in ("worker", "parameters") else "right", overflow="fold")
    for trial in running:
        table.add_row(*map(escape, _cells(trial)))
    console.print(table)


def _cells(trial: "optuna.trial.FrozenTrial") -> tuple[str, ...]:
    lease = trial.user_attrs.get(LEASE, {})
    host = "" if lease.get("host") == socket.gethostname() else f"{lease.get('host')} "
    worker = f"{host}{lease.get('pid')}" if lease else "starting"
    last = max(trial.intermediate_values, default=None)
    since = trial.datetime_start
    seconds = (datetime.datetime.now() - since).total_seconds() if since else 0.0
    return (
        str(trial.number),
        "" if last is None else str(last),
        "" if last is None else f"{trial.intermediate_values[last]:.4f}",
        str(datetime.timedelta(seconds=round(seconds))),
        str(int(trial.user_attrs.get(ATTEMPT, 0)) + 1),
        f"{worker} (dead; the next worker continues it)" if lease and is_dead(trial, 60.0) else worker,
        ", ".join(f"{name.rpartition('.')[2]}={_short(value)}" for name, value in trial.params.items()),
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
