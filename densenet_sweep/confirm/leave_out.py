"""A confirmation that leaves out one value of a column at a time, such as each site: trained on the others, tested on it.

It answers how well a configuration does where it has not been trained, and names no champion.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.config.metrics import METRICS, on_test
from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.counts import counted
from densenet_sweep.results.study import Study

# More trainings than these values need are not what is meant, as with a column of file names.
_MOST_VALUES = 100

# Metrics that one class alone gives, too.
_OF_ANY_CLASSES = ("accuracy", "loss", "log_loss", "calibration_error")


def check(column: str, found: Mapping[str, set[str]], objective: str) -> None:
    """Refuse a column whose values cannot be left out one by one.

    Args:
        column: of the table.
        found: its values, each with the classes of its pictures.
        objective: of the sweep.

    Raises:
        ValueError: one value, or very many; a class that only one value has; a metric that needs classes which a value lacks.
    """
    if not 2 <= len(found) <= _MOST_VALUES:
        raise ValueError(
            f"--leave-out {column}: has {counted(len(found), 'value')}; a column of between 2 and {_MOST_VALUES} is accepted"
        )
    classes = set.union(*found.values())
    for value in found:
        others = set.union(*(theirs for other, theirs in found.items() if other != value))
        if missing := sorted(classes - others):
            raise ValueError(
                f"--leave-out {column}: class {missing[0]} is only in {value}, so without it there is none to learn from"
            )
    metric = on_test(objective)
    if metric.removeprefix("test_") in _OF_ANY_CLASSES:
        return
    for value, theirs in found.items():
        if missing := sorted(classes - theirs):
            raise ValueError(
                f"--leave-out {column}: {value} has no picture of class {missing[0]}, which {metric} needs; "
                "objective=valid_accuracy or another column is accepted"
            )


@dataclass(frozen=True)
class Left:
    """The test result of a finalist on the value that was left out, by the metric of the confirmation."""

    finalist: Finalist
    value: str
    result: float
    num_images: int | None


def results(study: Study, finalists: Finalists) -> list[Left]:
    """Return the results so far, in the order of the finalists and of the values."""
    known = finalists.by_option_and_value()
    found = {trial.params["experiment"]: trial for trial in study.complete}
    return [Left(*known[name], found[name].values[0], found[name].num_test) for name in known if name in found]


def show(study: Study, finalists: Finalists, console: Console) -> None:
    """Print the table, and the mean of each finalist."""
    headings, rows = _rows(study, finalists)
    table = Table(title=escape(title(study, finalists)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(escape(heading), justify="left" if heading == finalists.column else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for line in sentences(study, finalists):
        console.print(line, highlight=False, markup=False)


def markdown(study: Study, finalists: Finalists) -> str:
    """Return the same as Markdown, for a page in MLflow."""
    headings, rows = _rows(study, finalists)
    lines = [headings, ["---"] * len(headings), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([f"**{title(study, finalists)}**", table, *sentences(study, finalists)])


def as_object(study: Study, finalists: Finalists) -> dict[str, Any]:
    """Return the results as plain values, for a JSON file."""
    found = results(study, finalists)
    return {
        "study": finalists.study,
        "column": finalists.column,
        "metric": study.objectives[0],
        "results": [
            {"trial": it.finalist.trial, "left_out": it.value, "value": it.result, "num_images": it.num_images} for it in found
        ],
        "means": {trial: statistics.fmean(values) for trial, values in _by_trial(found).items()},
        "runs_failed": {trial.number: trial.reason or "" for trial in study.in_state("failed")},
        "says": sentences(study, finalists),
    }


def title(study: Study, finalists: Finalists) -> str:
    """Return the title, with the study and the metric."""
    return f"{finalists.study} without each {finalists.column}: {_label(study)}"


def sentences(study: Study, finalists: Finalists) -> list[str]:
    """Return the mean of each finalist over the values, and what is missing."""
    lines = [f"run {trial.number} failed: {trial.reason or ''}" for trial in study.in_state("failed")]
    missing = len(study.in_state("waiting", "running"))
    if missing:
        lines.append(f"{counted(missing, 'run')} {'is' if missing == 1 else 'are'} still to come.")
    for trial, values in _by_trial(results(study, finalists)).items():
        spread = f", between {min(values):.4f} and {max(values):.4f}" if len(values) > 1 else ""
        lines.append(
            f"Trial {trial}: {_label(study)} {statistics.fmean(values):.4f} on average over "
            f"{counted(len(values), 'value')} of {finalists.column}, each tested by a network trained without it{spread}."
        )
    return lines


def _rows(study: Study, finalists: Finalists) -> tuple[list[str], list[list[str]]]:
    found = results(study, finalists)
    trials = list(_by_trial(found))
    cells = {(it.finalist.trial, it.value): it for it in found}
    rows = []
    for value in finalists.values:
        of_value = [cells.get((trial, value)) for trial in trials]
        images = next((f"{it.num_images:,}" for it in of_value if it is not None and it.num_images), "")
        rows.append([value, images, *("" if it is None else f"{it.result:.4f}" for it in of_value)])
    means = [f"{statistics.fmean(values):.4f}" for values in _by_trial(found).values()]
    return [finalists.column, "pictures", *(f"trial {trial}" for trial in trials)], [*rows, ["mean", "", *means]]


def _by_trial(found: Sequence[Left]) -> dict[int, list[float]]:
    values: dict[int, list[float]] = {}
    for it in found:
        values.setdefault(it.finalist.trial, []).append(it.result)
    return values


def _label(study: Study) -> str:
    name = study.objectives[0]
    return METRICS[name].label if name in METRICS else name
