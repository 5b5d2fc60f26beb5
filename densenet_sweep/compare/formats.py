"""The leaderboard for other programs: CSV, JSON and Markdown, with numbers as they are."""

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from densenet_sweep.compare import analysis, ranking

if TYPE_CHECKING:
    import optuna

FORMATS = ("csv", "json", "md")


def render(studies: "Sequence[optuna.Study]", form: str, top: int) -> str:
    """Return the `top` trials of each study in the format `form`, one of `FORMATS`."""
    if form == "json":
        return json.dumps([_as_object(study, top) for study in studies], indent=2)
    columns = _columns(studies)
    entries = [_entry(study, row) for study in studies for row in ranking.rows(study)[:top]]
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)
        return text.getvalue().rstrip("\n")
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(entry.get(column)) for column in columns] for entry in entries]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _as_object(study: "optuna.Study", top: int) -> dict[str, Any]:
    saved = analysis.saving(study)
    return {
        "study": study.study_name,
        "directions": [direction.name.lower() for direction in study.directions],
        "trials": [_entry(study, row) for row in ranking.rows(study)[:top]],
        "importance": analysis.importance(study),
        "rank_correlation": analysis.rank_correlations(study),
        "seconds_saved_by_pruning": None if saved is None else saved.seconds,
    }


def _columns(studies: "Sequence[optuna.Study]") -> list[str]:
    objectives = dict.fromkeys(name for study in studies for name in ranking.objectives(study))
    searched = sorted({name for study in studies for name in ranking.parameters(study)})
    names = ["study", "trial", *objectives, *searched, "num_parameters", "epochs", "seconds", "state"]
    return list(dict.fromkeys(names))


def _entry(study: "optuna.Study", row: ranking.Row) -> dict[str, Any]:
    return {
        "study": study.study_name,
        "trial": row.number,
        **dict(zip(ranking.objectives(study), row.values, strict=False)),
        **row.params,
        "num_parameters": row.num_parameters,
        "epochs": row.epochs,
        "seconds": row.seconds,
        "state": row.state,
    }


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
