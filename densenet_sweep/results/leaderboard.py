"""The leaderboard of a study for a terminal: its trials, best first, and sentences about the whole study."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra_async_sweeper.readable import numbered
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.counts import counted
from densenet_sweep.results import analysis, ranking
from densenet_sweep.results.formatting import cell, headings, value
from densenet_sweep.results.study import Study, Trial

if TYPE_CHECKING:
    from densenet_sweep.results.logged_metric import Metric

# Most failure reasons listed below the table.
_SHOWN_FAILURES = 5

_WIDTH_OF_A_FILE = 120
_ANY_WIDTH = 10_000

# Minimum column widths, by heading; `_WIDTH` for the others.
_WIDTHS = {"trial": 5, "weights": 9, "seconds": 7, "state": 8}
_WIDTH = 6


def show(
    study: Study, *, top: int = 10, metric: "Metric | None" = None, console: Console | None = None, explains: bool = True
) -> bool:
    """Print the `top` trials of `study`, how many there are in each state, and the sentences about the study.

    Args:
        study: to show.
        top: number of trials.
        metric: to rank by, or None for the objective.
        console: to print on.
        explains: the words of promotion, below a table that uses them.

    Returns:
        whether they were explained.
    """
    console = console or wide_console()
    rows = ranking.rows(study, metric)
    if not rows:
        waiting = counted(len(study.in_state("waiting")), "trial")
        console.print(f"study {study.name}: no trial runs or has ended; {waiting} in the queue", markup=False, highlight=False)
        return False
    cut = f" ({top} of {counted(len(rows), 'trial')})" if len(rows) > top else ""
    table = _table(study, rows[:top], metric, cut, gap=1)
    console.print(table if fits(table, console) else _table(study, rows[:top], metric, cut, gap=0))
    legend = _legend(study, rows[:top]) if explains else ""
    if legend:
        console.print(legend, style="dim", highlight=False)
    counts = Counter(trial.state for trial in study.begun)
    console.print(", ".join(f"{counts[state]} {state}" for state in ranking.SHOWN_STATES if counts[state]))
    for reason, numbers in list(_failures(study.in_state("failed")).items())[:_SHOWN_FAILURES]:
        which = numbered(numbers)
        console.print(f"{which} failed: {reason}", markup=False, highlight=False)
    if study.front:
        console.print(
            f"On the Pareto front: {len(study.front)} of {counted(counts['complete'], 'complete trial')}. "
            "No other is better in one objective and as good in the rest.",
            highlight=False,
        )
    for line in [*analysis.sentences(study), *([study.note] if study.note else [])]:
        console.print(line, highlight=False, markup=False)
    return bool(legend)


def _legend(study: Study, rows: Sequence[ranking.Row]) -> str:
    """Return what "then" and "from" mean, with an example from the table; nothing where it has neither."""
    origins = [row for row in rows if row.origin.startswith(("then ", "from "))]
    if not origins:
        return ""
    first, later = _pair(origins[0])
    has_rungs = any(trial.rungs for trial in study.begun)
    when = "a rung, a short training that ranks the trials" if has_rungs else "the first epochs, which rank the trials"
    return (
        f"then {later}: stopped after {when}, and was among the best, so trial {later} trains the same configuration in full; "
        f"from {first}: is that training of trial {first}"
    )


def _pair(row: ranking.Row) -> tuple[int, int]:
    """Return the number of the stopped trial and that of its promotion."""
    word, _, number = row.origin.partition(" ")
    return (row.number, int(number)) if word == "then" else (int(number), row.number)


def _table(study: Study, rows: list[ranking.Row], metric: "Metric | None", cut: str, *, gap: int) -> Table:
    ranked = "" if metric is None else f" by {metric.name}, {metric.order}"
    table = Table(
        title=f"study {escape(study.name + ranked + cut)}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, gap),
        pad_edge=False,
        collapse_padding=True,
    )
    objectives = ["value"] if study.has_one_objective else list(study.objectives)
    parameters = study.parameters
    ranked_by = [] if metric is None or metric.is_shown_by(study) else [metric.name]
    errors = ["± se"] if study.has_folds and study.has_one_objective else []
    of_trial = ("weights", f"{study.step}s", "seconds", "state")
    before = ("trial", *objectives, *errors, *ranked_by)
    searched, own = headings(parameters, (*before, *of_trial))
    for heading in (*own[: len(before)], *searched, *own[len(before) :]):
        # A heading broken at its underscores is hardly wider than its numbers, so the table fits into 80 columns. If it does
        # not, the searched parameters are folded; the rest stays readable.
        is_searched = heading in searched
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
            *(["" if row.standard_error is None else value(row.standard_error)] if errors else []),
            *(["" if row.metric is None else value(row.metric)] if ranked_by else []),
            *(cell(row.params.get(name)) for name in parameters),
            cell(row.num_parameters),
            cell(row.epochs),
            cell(row.seconds),
            row.state_and_origin,
        )
        table.add_row(*map(escape, cells), style=None if row.is_complete else "dim")
    return table


def wide_console() -> Console:
    """Return the terminal's console, or a wide one for a file, which has no width and needs no folding."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _WIDTH_OF_A_FILE))


def fits(table: Table, console: Console) -> bool:
    """Return whether the console is wide enough for the whole table, whose cells would be folded or cut otherwise."""
    return console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum <= console.width


def _failures(trials: Sequence[Trial]) -> dict[str, list[int]]:
    """Return the numbers of the failed trials by reason."""
    failures: dict[str, list[int]] = {}
    for trial in trials:
        failures.setdefault(trial.reason or "no reason is known", []).append(trial.number)
    return failures
