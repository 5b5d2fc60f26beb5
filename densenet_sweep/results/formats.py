"""The leaderboard for other programs: CSV, JSON and Markdown, with numbers as they are."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from densenet_sweep.results import analysis, noise, ranking, summary, validated_on
from densenet_sweep.results.formatting import beside
from densenet_sweep.results.study import Study

if TYPE_CHECKING:
    from densenet_sweep.results.logged_metric import Metric

FORMATS = ("csv", "json", "md")

_LAST_COLUMNS = ("num_parameters", "epochs", "seconds", "state", "origin", "is_tied")


def render(studies: Sequence[Study], form: str, top: int, metrics: "Sequence[Metric | None] | None" = None) -> str:
    """Return the `top` trials of each study in the format `form`, one of `FORMATS`.

    Args:
        studies: to show.
        form: of the text.
        top: number of trials per study.
        metrics: one per study to rank by, or None for the objective.
    """
    pairs = list(zip(studies, metrics or [None] * len(studies), strict=True))
    searched = _searched(studies)
    if form == "json":
        return json.dumps([_as_object(study, top, metric, searched) for study, metric in pairs], indent=2)
    columns = _columns(studies, next((metric for _, metric in pairs if metric is not None), None))
    entries = [_entry(study, row, metric, searched) for study, metric in pairs for row in ranking.rows(study, metric)[:top]]
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)
        return text.getvalue().rstrip("\n")
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(entry.get(column)) for column in columns] for entry in entries]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _as_object(study: Study, top: int, metric: "Metric | None", searched: Sequence[str]) -> dict[str, Any]:
    saved = analysis.saving(study)
    known = noise.estimate(study)
    correlations = analysis.rank_correlations(study)
    return {
        "study": study.name,
        "directions": list(study.directions),
        **({} if metric is None else {"ranked_by": metric.name, "order": metric.order}),
        "summary": asdict(summary.summarize(study)),
        "trials": [_entry(study, row, metric, searched) for row in ranking.rows(study, metric)[:top]],
        "validated_on": validated_on.basis(study),
        "noise": None if known is None else {**asdict(known), "flattery": known.selection_bias},  # its earlier name
        "importance": analysis.importance(study),
        "rank_correlation": {epoch: found.rho for epoch, found in correlations.items()},
        "rank_correlation_interval": {epoch: [found.low, found.high] for epoch, found in correlations.items()},
        "seconds_saved_by_pruning": None if saved is None else saved.seconds,
        "origin": study.note,
    }


def _columns(studies: Sequence[Study], metric: "Metric | None") -> list[str]:
    objectives = dict.fromkeys(name for study in studies for name in study.objectives)
    searched = _searched(studies)
    ranked_by = [] if metric is None else [f"metrics.{metric.name}"]
    errors = ["standard_error"] if any(study.has_folds for study in studies) else []
    first, last = (
        [beside(it, searched) for it in own] for own in (("study", "trial", *objectives, *errors, *ranked_by), _LAST_COLUMNS)
    )
    return list(dict.fromkeys([*first, *searched, *last]))


def _searched(studies: Sequence[Study]) -> list[str]:
    return sorted({name for study in studies for name in study.parameters})


def _entry(study: Study, row: ranking.Row, metric: "Metric | None", searched: Sequence[str]) -> dict[str, Any]:
    """Return the row's values by column; `searched` are the parameters of all studies that are shown."""
    first = {
        "study": study.name,
        "trial": row.number,
        **dict(zip(study.objectives, row.values, strict=False)),
        **({} if metric is None else {f"metrics.{metric.name}": row.metric}),
        **({"standard_error": row.standard_error} if study.has_folds else {}),
    }
    last = {
        "num_parameters": row.num_parameters,
        "epochs": row.epochs,
        "seconds": row.seconds,
        "state": row.state,
        "origin": row.origin,
        "is_tied": row.is_tied,
    }
    first, last = ({beside(name, searched): it for name, it in own.items()} for own in (first, last))
    return {**first, **row.params, **last}


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
