"""The status table of a sweep: its progress, what each worker runs, and which trials ended last.

A table is drawn from values of whatever store, so it can be redrawn at a later time without reading the storage.
Only the workers' processes on this machine are checked again.
It does not depend on where it is shown: the sweep's own terminal (`live_table`) or an application's command.
"""

import datetime
import math
import socket
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich import box
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from hydra_async_sweeper.readable import short_params
from hydra_async_sweeper.study.enqueue import is_own
from hydra_async_sweeper.study.rank_correlation import RankCorrelation, at_pruned_steps
from hydra_async_sweeper.study.ranking import best_trial
from hydra_async_sweeper.trial import ATTEMPT, CAPTION, LEASE, NUM_STEPS, REASON, seconds_without_rungs
from hydra_async_sweeper.workers.lease import DONE, Silence, is_of_dead_process

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_NUM_LAST = 5

# Seconds of silence after which a worker is shown as dead: the default of hydra.sweeper.lease_seconds.
_SILENT_SECONDS = 60.0

_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
_STYLES = {"pruned": "dim", "failed": "red", "dead": "red", "starting": "dim"}
_LEFT_ALIGNED = ("parameters", "state")

# On a narrow terminal, a column with only this value is dropped to make room for the parameters.
_UNREMARKABLE = {"attempt": "1", "state": "running"}
# There, too, lists and names of GPUs and host names are truncated.
_NARROW_WIDTHS = {"GPU": 5, "worker": 12}
_ANY_WIDTH = 10_000


@dataclass(frozen=True)
class Entry:
    """One trial as the table shows it.

    Attributes:
        number: in its study.
        state: complete, pruned, failed, running or waiting.
        params: the searched values.
        values: of the objectives, once it has ended.
        reports: the reported values by step.
        num_steps: planned; None if unknown.
        seconds: of training, without those of rungs where it got further; None if unknown.
        attempt: how many attempts have ended in a death.
        lease: of its worker; None if unknown.
        is_silent: its worker was silent for too long.
        is_own: the study ran it itself.
        reason: why it failed.
        start: local time of its first attempt.
        end: local time of its end.
    """

    number: int
    state: str
    params: Mapping[str, Any] = field(default_factory=dict)
    values: Sequence[float] = ()
    reports: Mapping[int, float] = field(default_factory=dict)
    num_steps: int | None = None
    seconds: float | None = None
    attempt: int = 0
    lease: Mapping[str, Any] | None = None
    is_silent: bool = False
    is_own: bool = True
    reason: str | None = None
    start: datetime.datetime | None = None
    end: datetime.datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        name: the study's.
        trials: all of them.
        best: the number of its best trial, if any: several objectives and repetitions have none.
        correlations: how well the values at the steps at which trials were stopped order the ends.
        caption: the application's line, such as what "value" is.
    """

    name: str
    trials: Sequence[Entry]
    best: int | None = None
    correlations: Mapping[int, RankCorrelation] = field(default_factory=dict)
    caption: str = ""

    def in_state(self, *states: str) -> list[Entry]:
        """Return the trials in one of `states`."""
        return [trial for trial in self.trials if trial.state in states]

    def finished(self) -> list[Entry]:
        """Return the trials that count in the budget: complete and pruned ones."""
        return [trial for trial in self.in_state("complete", "pruned") if trial.is_own]


def read(study: "optuna.Study", silence: Silence | None = None) -> Snapshot:
    """Return the study's present state; with `silence`, also which running trials were silent for too long."""
    best = best_trial(study)
    seen = study.get_trials(deepcopy=False)
    trials = [_entry(trial, silence) for trial in seen]
    correlations = {} if len(study.directions) > 1 else at_pruned_steps(seen)
    caption = study.user_attrs.get(CAPTION, "")
    return Snapshot(study.study_name, trials, None if best is None else best.number, correlations, caption)


def _entry(trial: "FrozenTrial", silence: Silence | None) -> Entry:
    kept = trial.user_attrs
    is_running = trial.state.name == "RUNNING"
    return Entry(
        number=trial.number,
        state=_STATES[trial.state.name],
        params=trial.params,
        values=trial.values or (),
        reports=trial.intermediate_values,
        num_steps=kept.get(NUM_STEPS),
        seconds=seconds_without_rungs(trial),
        attempt=kept.get(ATTEMPT, 0),
        lease=kept.get(LEASE),
        is_silent=is_running and silence is not None and silence.seconds(trial) > _SILENT_SECONDS,
        is_own=is_own(trial),
        reason=kept.get(REASON),
        start=trial.datetime_start,
        end=trial.datetime_complete,
    )


def render(snapshot: Snapshot, n_trials: int | None, now: datetime.datetime) -> RenderableType:
    """Return the table.

    Args:
        snapshot: of the study.
        n_trials: finished trials that end the sweep, or None if unknown.
        now: local time, as Optuna's.
    """
    parts: list[RenderableType] = [_progress(snapshot, n_trials)]
    if snapshot.caption:
        parts.append(Text(snapshot.caption, style="dim"))
    running = snapshot.in_state("running")
    if running:
        rows = [_row(trial, now) for trial in running]
        has_gpu = any(row["GPU"] for row in rows)
        parts += ["", _Rows(rows, [heading for heading in rows[0] if heading != "GPU" or has_gpu])]
        if any(row["state"] == "dead" for row in rows):
            parts.append(Text("dead: its worker has died, and the next free one takes the trial up", style="dim"))
    ended = snapshot.in_state("complete", "pruned", "failed")
    if ended:
        parts += ["", _last(ended, snapshot.best)]
    for step, correlation in snapshot.correlations.items():
        parts.append(Text(f"step {step} orders the ends with {correlation}", style="dim"))
    return Group(*parts)


def _progress(snapshot: Snapshot, n_trials: int | None) -> RenderableType:
    """Return one line, or two where the terminal is narrow."""
    counts = Counter(trial.state for trial in snapshot.trials)
    states = ", ".join(f"{counts[state]} {state}" for state in _STATES.values() if counts[state] or state == "running")
    of_all = "" if n_trials is None else f" of {n_trials}"
    parts = [f"{len(snapshot.finished())}{of_all} finished: {states}"]
    best = next((trial for trial in snapshot.trials if trial.number == snapshot.best), None)
    seconds = _sweep_eta(snapshot, n_trials)
    outlook = [] if best is None else [f"best {_values(best)} (trial {best.number})"]
    outlook += [] if seconds is None else [f"ETA {_duration(seconds)}"]
    if outlook:
        parts.append("   ".join(outlook))
    return Columns([Text(part, style="bold", no_wrap=True) for part in parts], padding=(0, 3))


def _sweep_eta(snapshot: Snapshot, n_trials: int | None) -> float | None:
    """Estimate the seconds for the rest of the budget, from the median trial time and the present number of workers."""
    finished = snapshot.finished()
    took = [(trial.end - trial.start).total_seconds() for trial in finished if trial.start and trial.end]
    num_running = sum(_state(trial) != "dead" for trial in snapshot.in_state("running"))
    if n_trials is None or not took or not num_running:
        return None
    return max(0, n_trials - len(finished)) * statistics.median(took) / num_running


def _row(trial: Entry, now: datetime.datetime) -> dict[str, str]:
    """Return the cells of a running trial by their headings."""
    lease = trial.lease or {}
    step = max(trial.reports, default=None)
    total = trial.num_steps
    state = _state(trial)
    eta = _trial_eta(trial, step, now) if state == "running" else None
    host = "" if lease.get("host") == socket.gethostname() else f"{str(lease.get('host')).partition('.')[0]} "
    return {
        "trial": str(trial.number),
        "parameters": short_params(trial.params),
        "step": _step(step, lease.get(DONE), total),
        "value": "" if step is None else _number(trial.reports[step]),
        "elapsed": "" if trial.start is None else _duration((now - trial.start).total_seconds()),
        "attempt": str(trial.attempt + 1),
        "state": state,
        "worker": f"{host}{lease.get('pid')}" if lease else "",
        "GPU": "" if lease.get("gpu") is None else str(lease["gpu"]),
        "ETA": "" if eta is None else _duration(eta),
    }


def _step(step: int | None, done: float | None, total: int | None) -> str:
    """Return how many steps are done: with a decimal where the lease, which is older than the reports, is ahead of them."""
    number = str(step or 0) if done is None or done <= (step or 0) else f"{math.floor(10 * done) / 10:.1f}"
    if total is None:
        return "" if number == "0" else number
    return f"{number}/{total}"


def _state(trial: Entry) -> str:
    if trial.is_silent or is_of_dead_process(trial.lease):
        return "dead"
    return "starting" if trial.lease is None else "running"


def _trial_eta(trial: Entry, step: int | None, now: datetime.datetime) -> float | None:
    """Estimate the seconds for the remaining steps at the pace so far.

    If the task does not record its seconds, a continued trial has no estimate: the start of its earlier attempts is unknown.
    """
    if not step or trial.num_steps is None:
        return None
    seconds = trial.seconds
    if seconds is None and trial.start is not None and not trial.attempt:
        seconds = (now - trial.start).total_seconds()
    return None if seconds is None else max(0, trial.num_steps - step) * seconds / step


@dataclass(frozen=True)
class _Rows:
    """The running trials, as a table that adapts to the width."""

    rows: Sequence[dict[str, str]]
    headings: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = self._table(is_narrow=False)
        is_narrow = console.measure(wide, options=options.update(width=_ANY_WIDTH)).maximum > options.max_width
        yield self._table(is_narrow=True) if is_narrow else wide

    def _table(self, *, is_narrow: bool) -> Table:
        headings = [heading for heading in self.headings if not (is_narrow and self._is_unremarkable(heading))]
        table = _empty_table(headings, adapts="parameters", is_narrow=is_narrow)
        for row in self.rows:
            cells = {**row, "worker": row["worker"].replace(" ", "\n")} if is_narrow else row
            table.add_row(*(Text(cells[heading], style=_STYLES.get(cells[heading], "")) for heading in headings))
        return table

    def _is_unremarkable(self, heading: str) -> bool:
        return all(row[heading] == _UNREMARKABLE.get(heading) for row in self.rows)


def _last(ended: Sequence[Entry], best: int | None) -> Table:
    """Return the trials that ended last, the newest first."""
    table = _empty_table(("trial", "value", "state"), adapts="state")
    for trial in sorted(ended, key=lambda trial: trial.end or datetime.datetime.min, reverse=True)[:_NUM_LAST]:
        state = trial.state
        reason = trial.reason if state == "failed" else None
        style = "bold" if trial.number == best else _STYLES.get(state, "")
        outcome = Text(f"{state}: {reason}" if reason else state, style=style, no_wrap=True, overflow="ellipsis")
        table.add_row(Text(str(trial.number), style=style), Text(_values(trial), style=style), outcome)
    return table


def _empty_table(headings: Sequence[str], *, adapts: str, is_narrow: bool = False) -> Table:
    """Return an empty table with these columns; only `adapts` shrinks when there is too little room."""
    padding = (0, 0 if is_narrow else 1)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, padding=padding)
    for heading in headings:
        table.add_column(
            heading,
            justify="left" if heading in _LEFT_ALIGNED else "right",
            no_wrap=heading != adapts,
            overflow="fold" if heading == adapts else "ellipsis",
            max_width=_NARROW_WIDTHS.get(heading) if is_narrow else None,
        )
    return table


def _values(trial: Entry) -> str:
    """Return what the trial ended with: a pruned one's is the last that it reported."""
    if trial.values:
        return " ".join(map(_number, trial.values))
    last = max(trial.reports, default=None)
    return "" if last is None else _number(trial.reports[last])


def _number(value: float) -> str:
    """Return `value` with four decimals, or with its significant digits if it is small or large."""
    if abs(value) < 1e4:
        return f"{value:.4f}" if value == 0 or abs(value) >= 1e-2 else f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
