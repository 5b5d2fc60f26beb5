"""Several studies side by side: their trials, best values and costs."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.results import noise, ranking
from densenet_sweep.results.formatting import cell, duration, headings, value
from densenet_sweep.results.study import Study

# Studies per table; at 80 columns a fourth still has room for its name.
_BESIDE = 4


@dataclass(frozen=True)
class Summary:
    """One study in a few numbers; a trial taken over from another study adds no cost.

    Attributes:
        states: number of trials in each state.
        best: the number of the best complete trial, the first of the Pareto front if there are several objectives.
        values: of the best trial.
        params: of the best trial.
        num_parameters: of the best trial.
        median_seconds: median training time of the complete trials.
        total_seconds: training time of all trials.
        span_seconds: from the first trial's start to the last one's end.
    """

    states: dict[str, int]
    best: int | None
    values: list[float]
    params: dict[str, Any]
    num_parameters: int | None
    median_seconds: float | None
    total_seconds: float
    span_seconds: float | None


def summarize(study: Study) -> Summary:
    """Return the summary of a study."""
    counts = Counter(trial.state for trial in study.begun)
    own = [trial for trial in study.begun if trial.is_own]
    complete = [trial.seconds for trial in own if trial.state == "complete" and trial.seconds is not None]
    starts = [trial.start for trial in own if trial.start is not None]
    ends = [trial.end for trial in own if trial.end is not None]
    first = next((row for row in ranking.rows(study) if row.is_complete), None)
    return Summary(
        states={state: counts[state] for state in ranking.SHOWN_STATES if counts[state]},
        best=None if first is None else first.number,
        values=[] if first is None else first.values,
        params={} if first is None else first.params,
        num_parameters=None if first is None else first.num_parameters,
        median_seconds=statistics.median(complete) if complete else None,
        total_seconds=sum(trial.own_seconds or 0.0 for trial in own),
        span_seconds=(max(ends) - min(starts)).total_seconds() if starts and ends else None,
    )


def show_summary(studies: Sequence[Study], console: Console) -> None:
    """Print the studies side by side, and whether their best trials differ beyond the noise."""
    for begin in range(0, len(studies), _BESIDE):
        console.print(_table(studies[begin : begin + _BESIDE]))
    for line in noise.across(studies):
        console.print(line, markup=False, highlight=False)
    console.print()


def _table(studies: Sequence[Study]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("study", no_wrap=True)
    for study in studies:
        table.add_column(escape(study.name), justify="right", overflow="fold", vertical="bottom")
    summaries = [summarize(study) for study in studies]
    for state in dict.fromkeys(state for one in summaries for state in one.states):
        table.add_row(state, *(str(one.states.get(state, 0)) for one in summaries))
    table.add_section()
    names = dict.fromkeys(name for study in studies for name in study.objectives)
    for name in names:
        values = [dict(zip(study.objectives, one.values, strict=False)) for study, one in zip(studies, summaries, strict=True)]
        table.add_row(f"best {name}", *("" if name not in each else value(each[name]) for each in values), style="bold")
    table.add_row("of trial", *("" if one.best is None else str(one.best) for one in summaries))
    searched = sorted({name for one in summaries for name in one.params})
    shown, (weights,) = headings(searched, ["weights"])
    for name, short in zip(searched, shown, strict=True):
        table.add_row(escape(short), *(escape(cell(one.params.get(name))) for one in summaries))
    table.add_row(weights, *(cell(one.num_parameters) for one in summaries))
    table.add_section()
    table.add_row("a complete trial, median", *(duration(one.median_seconds) for one in summaries))
    table.add_row("all training", *(duration(one.total_seconds) for one in summaries))
    table.add_row("first start to last end", *(duration(one.span_seconds) for one in summaries))
    return table
