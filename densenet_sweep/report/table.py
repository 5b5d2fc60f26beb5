"""The trials of a study as the page's script takes them: columns, and for each trial values to sort by and texts to show."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from densenet_sweep.results import fidelity, noise, ranking
from densenet_sweep.results.formatting import cell, headings, value
from densenet_sweep.results.study import Study, Trial

if TYPE_CHECKING:
    from densenet_sweep.results.logged_metric import Metric

# Text columns with at most this many different values are chosen from a list.
_MOST_CHOICES = 12


def data(study: Study, metric: "Metric | None", runs: str | None, top: int) -> dict[str, Any]:
    """Return the columns and the rows, in the order of the leaderboard; the page shows `top` rows at first.

    Args:
        study: whose trials they are.
        metric: that they are ranked by, with a column of its own where no other shows it.
        runs: the address of the runs in MLflow, to which a run's id is added; None without links.
        top: number of rows.
    """
    by_number = {trial.number: trial for trial in study.trials}
    rows = ranking.rows(study, metric)
    columns: list[dict[str, str]] = []
    values: list[list[Any]] = []
    texts: list[list[str]] = []

    def add(label: str, kind: str, found: Sequence[Any], shown: Sequence[str], title: str = "") -> None:
        columns.append({"label": label, "kind": kind, "title": title})
        values.append(list(found))
        texts.append(list(shown))

    numbers = [row.number for row in rows]
    add("trial", "number", numbers, list(map(str, numbers)))
    errors = noise.standard_errors(study)
    for index, name in enumerate(study.objectives):
        found = [row.values[index] if row.values else None for row in rows]
        shown = [_objective(row, index, errors.get(row.number)) for row in rows]
        add(name, "number", found, shown, f"{name} ± one standard error; ~ cannot be told from the best")
    if metric is not None and not metric.is_shown_by(study):
        add(metric.name, "number", [row.metric for row in rows], [cell(row.metric) for row in rows])
    early = fidelity.early(study)
    if early is not None:
        named = f"rung {early.step}" if early.is_rung else f"epoch {early.step}"
        found = [by_number[number].reports.get(early.step) for number in numbers]
        add(named, "number", found, ["" if it is None else value(it) for it in found], f"{study.objectives[0]} {early.words}")
    first = len(columns)
    for name in study.parameters:
        found = [row.params.get(name) for row in rows]
        kind, found = _kind(found)
        add(name, kind, found, [cell(row.params.get(name)) for row in rows], name)
    for label, counts in (
        ("weights", [row.num_parameters for row in rows]),
        (f"{study.step}s", [row.epochs for row in rows]),
        ("seconds", [row.seconds for row in rows]),
    ):
        add(label, "number", counts, [cell(it) for it in counts])
    add("state", "choice", [row.state for row in rows], [row.state for row in rows])
    _add_texts(add, "origin", [row.origin for row in rows])
    _add_texts(add, "reason", [_reason(by_number[number]) for number in numbers])
    if runs is not None:
        links = [_link(by_number[number], runs) for number in numbers]
        add("MLflow", "link", links, ["run" if link else "" for link in links])
    of_searched = slice(first, first + len(study.parameters))
    ours = columns[: of_searched.start] + columns[of_searched.stop :]
    labels = headings(study.parameters, [it["label"] for it in ours])
    for column, label in zip([*columns[of_searched], *ours], [*labels[0], *labels[1]], strict=True):
        column["label"] = label
    return {
        "columns": columns,
        "top": top,
        "rows": [
            {
                "id": row.number,
                "values": [column[index] for column in values],
                "texts": [column[index] for column in texts],
                "complete": row.is_complete,
            }
            for index, row in enumerate(rows)
        ],
    }


def _objective(row: ranking.Row, index: int, error: float | None) -> str:
    if not row.values:
        return ""
    known = f" ± {error:.4f}" if index == 0 and error is not None else ""
    return f"{'~ ' if row.is_tied else ''}{value(row.values[index])}{known}"


def _kind(found: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the kind of a column of parameters, and its values as JSON has them."""
    known = [it for it in found if it is not None]
    if all(isinstance(it, int | float) and not isinstance(it, bool) for it in known):
        return "number", list(found)
    texts = [None if it is None else str(it) for it in found]
    return "choice" if len(set(texts)) <= _MOST_CHOICES else "text", texts


def _add_texts(add: Any, label: str, found: Sequence[str]) -> None:
    if any(found):
        add(label, "text", [it or None for it in found], found)


def _reason(trial: Trial) -> str:
    """Return why a trial failed, or was not trained; that a pruned one was not good enough goes without saying."""
    return (trial.reason or "") if trial.state == "failed" or trial.is_infeasible else ""


def _link(trial: Trial, runs: str) -> str | None:
    return None if trial.run_id is None else f"{runs}{trial.run_id}"
