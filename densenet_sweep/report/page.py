"""The report of studies as one HTML file that can be mailed: it needs no network, and without scripts its pictures are static.

plotly.js is embedded once, compressed like the figures; the template escapes every text of a study.
"""

import base64
import datetime
import functools
import gzip
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.confirm import text as confirmation
from densenet_sweep.confirm.verdict import Verdict
from densenet_sweep.counts import counted
from densenet_sweep.drawing import interactive, theme
from densenet_sweep.drawing.scene import Band, Mark, Parallel, Points
from densenet_sweep.report import how_found, paper, table
from densenet_sweep.report.pictures import Drawn, draw, drawn_once, overlaid, subject, timeline
from densenet_sweep.report.reported import Reported, reported
from densenet_sweep.results import analysis, noise, ranking
from densenet_sweep.results.formatting import cell, headings, value
from densenet_sweep.results.study import Trial
from densenet_sweep.tracking.store import redacted

__all__ = ["Reported", "check", "page", "reported", "write"]

log = logging.getLogger("densenet_sweep")

# Trials beyond `top` are folded away, and beyond this many left out.
_MOST_ROWS = 200
# Numbers of a class, in the order of their columns; of several labels a picture there are more.
_OF_CLASSES = (
    "num_images",
    "auroc",
    "average_precision",
    "threshold",
    "recall",
    "sensitivity",
    "specificity",
    "precision",
    "f1",
)
_TEMPLATE = "report.html.j2"
_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("selection.js", "table.js", "parallel.js", "page.js")
_LIVE = ("live.js",)


def check(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is read for it.

    Raises:
        ValueError: its folder is missing or not writable, or it is a folder itself.
    """
    folder = path.absolute().parent
    reason = (
        f"there is no folder {folder}"
        if not folder.is_dir()
        else "is a folder"
        if path.is_dir()
        else f"the folder {folder} cannot be written"
        if not os.access(folder, os.W_OK)
        else None
    )
    if reason is not None:
        raise ValueError(f"--html {path}: {reason}; a file in a folder that can be written is accepted")


def write(path: Path, studies: Sequence[Reported], *, top: int = 10) -> None:
    """Write the report of the studies to `path`, whole or not at all.

    Raises:
        ValueError: it cannot be written.
    """
    text = page(studies, top=top)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ValueError(f"--html {path}: cannot be written ({error.strerror})") from error


def page(studies: Sequence[Reported], *, top: int = 10, version: str | None = None) -> str:
    """Return the report as HTML, which shows `top` trials of each study at once and the others on a click.

    With a `version` it is the page that `live` serves: it has no PNG files, and asks the server for newer versions.
    """
    import jinja2
    import plotly.offline

    is_live = version is not None
    sections = [_section(index, it, top, stills=not is_live) for index, it in enumerate(studies)]
    values = [it.study for it in studies]
    overlaid_picture = overlaid.best_so_far(values)
    overlaid_drawn = [] if overlaid_picture is None else [drawn_once(overlaid_picture, still=not is_live)]
    compared = _pictures(len(studies), overlaid_drawn)
    shown = [*compared, *(picture for section in sections for picture in section["pictures"])]
    figures = {panel["id"]: figure for picture in shown for panel, figure in picture["panels"]}
    tables = {
        section["id"]: table.data(it.study, it.metric, it.runs, top) for section, it in zip(sections, studies, strict=True)
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(_TEMPLATE).render(
        counted=counted,
        title=_title(sections),
        version=version,
        made=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        sections=sections,
        compared=compared,
        verdict=noise.across(values),
        plotly=_packed_once(plotly.offline.get_plotlyjs),
        figures=_packed(_as_json({"figures": figures, "tables": tables})),
        style=(_ASSETS / "report.css").read_text(encoding="utf-8"),
        script="\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in (*_SCRIPTS, *_LIVE[:is_live])),
        on_dark=json.dumps(theme.ON_DARK),
    )


def _title(sections: Sequence[Mapping[str, Any]]) -> str:
    return f"Sweep {sections[0]['name']}" if len(sections) == 1 else f"{counted(len(sections), 'sweep')} compared"


def _section(index: int, reported: Reported, top: int, *, stills: bool) -> dict[str, Any]:
    study = reported.study
    drawn = draw(study, stills=stills) if reported.drawn is None else reported.drawn
    metric = reported.metric
    rows = ranking.rows(study, metric)
    best = next((row for row in ranking.rows(study) if row.is_complete and row.values), None)
    objectives = study.objectives
    parameters = study.parameters
    ranked_by = [] if metric is None or metric.is_shown_by(study) else [metric.name]
    before = ("trial", *objectives, *ranked_by)
    searched, own = headings(parameters, (*before, "weights", "epochs", "seconds", "state"))
    return {
        "id": f"study-{index}",
        "name": study.name,
        "facts": _facts(reported),
        "counts": subject.counts_by_state(study.finished) or "no trial has ended",
        "best": None if best is None else ", ".join(f"{value(it)}" for it in best.values),
        "headline": _headline(reported, best),
        "best_number": None if best is None else best.number,
        "objective": ", ".join(objectives),
        "sentences": [*analysis.sentences(study), *filter(None, [study.note])],
        "ranked": "" if metric is None else f"Ranked by {metric.name}, {metric.order}.",
        "headings": [*own[: len(before)], *searched, *own[len(before) :]],
        "keys": ["", *[""] * len(objectives), *ranked_by, *parameters, "", "", "", ""],
        "rows": [_cells(row, len(objectives), parameters, has_metric=bool(ranked_by)) for row in rows[:_MOST_ROWS]],
        "top": top,
        "num_left_out": max(len(rows) - _MOST_ROWS, 0),
        "classes": None if best is None else _classes(study.trials[best.number]),
        "pictures": _pictures(index, drawn),
        "missing": timeline.why_missing(study),
        "confirmed": [_confirmed(it) for it in reported.verdicts],
        "found": _found(index, how_found.describe(reported)),
        "wrong": [{"title": it.title, "still": base64.b64encode(it.still).decode()} for it in reported.wrong],
    }


def _found(index: int, described: how_found.Found) -> dict[str, Any]:
    texts = {"Markdown": paper.markdown(described), "LaTeX": paper.latex(described), "BibTeX": paper.bibtex()}
    return {
        "facts": described.facts,
        "tables": [
            {"title": it.title, "headings": it.headings, "rows": [{"cells": row, "is_complete": True} for row in it.rows]}
            for it in described.tables
        ],
        "texts": [{"id": f"paper-{index}-{name}", "name": name, "text": text} for name, text in texts.items()],
    }


def _headline(reported: Reported, best: ranking.Row | None) -> dict[str, Any] | None:
    """Return the one large number: the champion's mean on the test set with its interval, else the best validation value."""
    for found in reported.verdicts:
        if found.champion is None:
            continue
        champion = found.results[found.champion]
        runs = champion.runs
        what = f"{METRICS[found.metric].label} of the champion, trial {champion.finalist.trial}"
        how = (
            f"mean of {counted(len(runs.values_S), 'seed')} on {counted(runs.num_images, 'test image')}, with its 95 % interval"
        )
        sweep = f"{reported.study.objectives[0]} in the sweep: {value(champion.finalist.value)}"
        return {
            "number": f"{runs.mean:.4f} ± {runs.half_interval():.4f}",
            "what": f"{what}: {how}",
            "else": sweep,
            "params": _named(champion.finalist.params),
        }
    if best is None:
        return None
    error = noise.standard_errors(reported.study).get(best.number) if reported.study.has_one_objective else None
    number = ", ".join(value(it) for it in best.values)
    known = "" if error is None else f" ± {error:.4f}"
    about = "" if error is None else ", ± one standard error of the images; the best of many looks better than it is"
    if num_front := len(reported.study.front):
        first = reported.study.objectives[0]
        about = f", the best in {first} of {counted(num_front, 'trial')} on the Pareto front: none of them is the best in all"
    what = f"{', '.join(reported.study.objectives)}, trial {best.number}{about}"
    return {"number": f"{number}{known}", "what": what, "else": "", "params": _named(best.params)}


def _named(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, cell(params[name])) for name in sorted(params)]


def _confirmed(found: Verdict) -> dict[str, Any]:
    headings, rows = confirmation.rows(found)
    headings_of_pairs, pairs = confirmation.rows_of_pairs(found)
    return {
        "title": confirmation.title(found).capitalize(),
        "sentences": confirmation.sentences(found),
        "headings": headings,
        "rows": [{"cells": cells, "is_complete": index in found.equals} for index, cells in enumerate(rows)],
        "pairs": confirmation.PAIRS,
        "headings_of_pairs": headings_of_pairs,
        "rows_of_pairs": [{"cells": cells, "is_complete": True} for cells in pairs],
    }


def _of_class(content: Any) -> str:
    return value(content) if isinstance(content, float) else cell(content)


def _classes(trial: Trial) -> dict[str, Any] | None:
    """Return the table of the classes after the last epoch; None where they are not known."""
    if not trial.classes:
        return None
    keys = [key for key in _OF_CLASSES if any(key in row for row in trial.classes)]
    shown = {"num_images": "images", "average_precision": "average precision", "auroc": "AUROC", "f1": "F1"}
    return {
        "title": f"Trial {trial.number}: classes of {_split_of(trial)}",
        "headings": ["class", *(shown.get(key, key) for key in keys)],
        "rows": [
            {"cells": [str(row["class"]), *(_of_class(row.get(key)) for key in keys)], "is_complete": True}
            for row in trial.classes
        ],
    }


def _split_of(trial: Trial) -> str:
    if trial.fold_values:
        return f"the validation splits, means over {counted(len(trial.fold_values), 'fold')}"
    return f"the {'validation' if trial.num_test is None else 'test'} split"


def _facts(reported: Reported) -> dict[str, str]:
    """Return the facts by name that back the numbers, such as commit and hardware; unknown ones are left out."""
    started = [trial.start for trial in reported.study.trials if trial.start is not None]
    ended = [trial.end for trial in reported.study.trials if trial.end is not None]
    tags = reported.tags
    commit = tags.get("git.commit", "")[:10]
    versions = [f"{word} {tags[key]}" for key, word in (("torch.version", "PyTorch"),) if key in tags]
    is_known = "num_threads" in tags and tags.get("device.type") == "cpu"
    threads = counted(int(tags["num_threads"]), "thread") if is_known else ""
    facts = {
        "Command": redacted(reported.command or ""),
        "When": f"{min(started):%Y-%m-%d %H:%M} to {max(ended):%Y-%m-%d %H:%M}" if started and ended else "",
        "Commit": f"{commit}{' with changes' if tags.get('git.dirty') == 'true' else ''}",
        "Hardware": ", ".join(filter(None, [tags.get("device.name", ""), threads, *versions])),
    }
    return {name: text for name, text in facts.items() if text}


def _cells(row: ranking.Row, num_objectives: int, parameters: Sequence[str], *, has_metric: bool) -> dict[str, Any]:
    cells = [
        str(row.number),
        *([f"{'~ ' if row.is_tied else ''}{value(it)}" for it in row.values] or [""] * num_objectives),
        *([cell(row.metric)] if has_metric else []),
        *(cell(row.params.get(name)) for name in parameters),
        cell(row.num_parameters),
        cell(row.epochs),
        cell(row.seconds),
        row.state_and_origin,
    ]
    return {"cells": cells, "is_complete": row.is_complete}


def _pictures(index: int, drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    found = []
    for it in drawn:
        try:
            found.append(_picture(index, it))
        except Exception as error:  # a picture must not cost the report
            log.warning("no picture %s in the report (%s: %s)", it.picture.name, type(error).__name__, error)
    _fill_rows(found)
    return found


def _fill_rows(found: Sequence[dict[str, Any]]) -> None:
    """Widen each picture that would stand alone in its row of two."""
    left = None
    for picture in [*found, {"is_wide": True}]:
        if picture["is_wide"] and left is not None:
            left["is_wide"] = True
        left = None if picture["is_wide"] or left is not None else picture


def _picture(index: int, drawn: Drawn) -> dict[str, Any]:
    picture = drawn.picture
    names = [f"figure-{index}-{picture.name}-{number}" for number in range(len(picture.panels))]
    panels = [({"id": name}, figure) for name, figure in zip(names, interactive.figures(picture), strict=True)]
    return {
        "name": picture.name,
        "title": picture.title,
        "note": f"{picture.note} {picture.hint}".rstrip(),
        "legend": [{"name": mark.name, "colour": mark.colour, "symbol": _symbol(mark)} for mark in picture.legend()],
        "panels": panels,
        "is_wide": len(panels) > 1 or any(isinstance(it.marks[0], Parallel) or it.y.is_rows for it in picture.panels),
        "still": base64.b64encode(drawn.still).decode(),
    }


def _symbol(mark: Mark) -> str:
    return mark.symbol if isinstance(mark, Points) else "band" if isinstance(mark, Band) else "line"


def _as_json(content: Any) -> str:
    """Return `content` as a browser reads it: values that are not finite, which JSON does not have, are null."""
    try:
        return json.dumps(content, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(content), separators=(",", ":"))


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {name: _finite(it) for name, it in content.items()}
    return [_finite(it) for it in content] if isinstance(content, list | tuple) else content


@functools.cache
def _packed_once(source: Any) -> str:
    return _packed(source())


def _packed(text: str) -> str:
    # Without a timestamp, equal pages are equal files.
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
