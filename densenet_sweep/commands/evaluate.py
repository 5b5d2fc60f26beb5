"""`densenet-sweep evaluate MODEL FOLDER|TABLE`: all metrics on labelled pictures that the model has never seen.

A folder has one folder of pictures a class; a table (CSV, Parquet, JSON lines) has columns for path and label. Class names are
the model's. A file that is no picture is reported and left out; the exit code is then 1.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.commands.arguments import is_of_a_model
from densenet_sweep.config.command_line import Parser
from densenet_sweep.config.data_sections import expanded
from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.counts import counted
from densenet_sweep.file_names import readable

if TYPE_CHECKING:
    import numpy as np

    from densenet_sweep.data.image_table import Labelled
    from densenet_sweep.models.classifier import Signature
    from densenet_sweep.models.measured import AtThreshold, Measured, OfClass, OfLabel
    from densenet_sweep.models.opened import Opened

_FORMATS = ("table", "json")
_ROOT = "data.root="
_BATCH_SIZE = 64
_HEADINGS = {"name": "class", "num_images": "pictures", "auroc": "AUROC", "average_precision": "average precision", "f1": "F1"}


@dataclass(frozen=True)
class Result:
    """What a model gets right.

    Attributes:
        model: where it comes from.
        num_images: that were evaluated.
        metrics: with intervals.
        classes: a row each.
        at_threshold: of two classes, what the threshold of the second one gives; None where the model has none.
        thresholds_of: where the thresholds come from, or why there are none; empty where that is not known.
        group_column: by whose groups the intervals are; None: by pictures.
        num_groups: of the pictures.
        seen: how many of the files were among those of training and validation; None where that cannot be known.
        example: one of those.
    """

    model: str
    num_images: int
    metrics: "list[Measured]"
    classes: "Sequence[OfClass] | Sequence[OfLabel]"
    at_threshold: "AtThreshold | None"
    thresholds_of: str
    group_column: str | None
    num_groups: int | None
    seen: int | None
    example: str | None


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("evaluate", __doc__)
    arguments.add_argument(
        "model", metavar="MODEL", help="champion, models:/..., a study, STUDY/TRIAL, a run's id, or a file: .onnx, .pt2"
    )
    arguments.add_argument("pictures", metavar="FOLDER|TABLE", help="with class folders, or with columns for path and label")
    arguments.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="tracking.uri=..., as for a run; data.root=FOLDER, what paths in a table are relative to",
    )
    arguments.add_argument("--path-column", default="path", metavar="NAME", help="of a table (path)")
    arguments.add_argument("--label-column", default="label", metavar="NAME", help="of a table (label)")
    arguments.add_argument(
        "--label-separator", default="|", metavar="TEXT", help="of a table, between the labels of a picture (|)"
    )
    arguments.add_argument(
        "--group-column",
        metavar="NAME",
        help="of a table, such as a patient: intervals draw groups (the column of the training)",
    )
    arguments.add_argument("--split", metavar="NAME", help="of a table with a column split: only these rows, such as test")
    arguments.add_argument("--format", default="table", metavar="FORMAT", help=", ".join(_FORMATS))
    arguments.add_argument("--config-dir", metavar="FOLDER", help="a further folder of config files, with options of your own")
    return arguments


def main(arguments: list[str]) -> None:
    """Print the metrics.

    Raises:
        ValueError, OSError: no such model or pictures, a class that the model does not have; or some files were no pictures.
    """
    parsed = parser().parse_intermixed_args(arguments)
    if parsed.format not in _FORMATS:
        raise ValueError(f"--format {parsed.format}: one of {', '.join(_FORMATS)} is accepted")
    roots = [word for word in parsed.overrides if word.startswith(_ROOT)]
    overrides = [word for word in parsed.overrides if word not in roots]
    foreign = [word for word in overrides if not is_of_a_model(word)]
    if foreign:
        raise ValueError(
            f"{foreign[0]}: one FOLDER or TABLE is accepted, and overrides of data.root, tracking and trusted_targets"
        )
    root = expanded(str(OverridesParser.create().parse_overrides(roots)[-1].value())) if roots else ""
    _check_place(parsed.pictures, parsed.split, root)
    from densenet_sweep.models.opened import open_model

    model = open_model(parsed.model, overrides, "evaluate", config_dir=parsed.config_dir)
    labelled = _labelled(parsed, root, model)
    labels = _numbers(labelled, parsed.pictures, parsed.label_separator, model.signature)
    column = _group_column(labelled, parsed.group_column, model.signature.group_column)
    groups = None if column is None else labelled.column(column)
    result, num_bad = _result(model, labelled.paths, labels, groups, column)
    if parsed.format == "json":
        print(json.dumps(_as_object(result), indent=2, ensure_ascii=False))
    else:
        _show(result, Console())
    if num_bad:
        raise ValueError(
            f"{num_bad:,} of {counted(len(labelled.paths), 'file')} could not be read as a picture, and are not counted"
        )


def _check_place(place: str, split: str | None, root: str) -> None:
    """Refuse, before the model is opened, what is neither folder nor table.

    Raises:
        ValueError: a split or a root of a folder.
        FileNotFoundError: there is nothing of that name, or no such root.
    """
    path = Path(place).expanduser()
    if path.is_dir() and root:
        raise ValueError(f"{_ROOT}{root}: is for tables, whose paths are relative to it; {place} is a folder")
    if root and not Path(root).is_dir():
        raise FileNotFoundError(f"{_ROOT}{root}: no such folder")
    if path.is_dir() and split is not None:
        raise ValueError(f"--split {split}: is for tables; {place}/{split} may be the folder that you mean")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")


def _labelled(parsed: argparse.Namespace, root: str, model: "Opened") -> "Labelled":
    """Return paths and labels."""
    from densenet_sweep.data import image_folder, image_table
    from densenet_sweep.data.labels import as_name

    path = str(Path(parsed.pictures).expanduser())
    if Path(path).is_dir():
        return image_table.Labelled(*image_folder.labelled_in(path, [as_name(name) for name in model.signature.class_names]))
    return image_table.labelled_in(
        path,
        path_column=parsed.path_column,
        label_column=parsed.label_column,
        split=parsed.split,
        separator=parsed.label_separator,
        root=root,
        root_of_training=model.root(),
    )


def _group_column(labelled: "Labelled", given: str | None, of_training: str | None) -> str | None:
    """Return the column of what belongs together: the one given, or else that of the training where the table has it."""
    return given if given is not None or of_training is None or not labelled.has(of_training) else of_training


def _numbers(labelled: "Labelled", place: str, separator: str, signature: "Signature") -> list[int] | list[tuple[int, ...]]:
    """Return the model's number of each class, or multi-hot labels.

    Raises:
        ValueError: it does not have some of them, a class is missing, or a folder is given for several labels a picture.
    """
    from densenet_sweep.data import labels

    names = tuple(map(labels.as_name, signature.class_names))
    if signature.is_multi_label and labelled.is_folder:
        raise ValueError(f"{place}: the model gives any number of labels a picture; a table that lists them is accepted")
    cells = labels.split_cells(labelled.cells, separator) if signature.is_multi_label else [[it] for it in labelled.cells]
    empty = [row for row, having in enumerate(cells, 1) if "" in having]
    if empty:
        raise ValueError(f"{place}: {counted(len(empty), 'row')} without a label, the first of them row {empty[0]}")
    unknown = sorted({it for having in cells for it in having} - set(names))
    if unknown:
        which = "class" if len(unknown) == 1 else "classes"
        raise ValueError(f"{which} {', '.join(unknown)}: the model has no such; its classes are {', '.join(names)}")
    if signature.is_multi_label:
        return labels.multi_hot(cells, names)
    numbers = {name: number for number, name in enumerate(names)}
    return [numbers[label] for [label] in cells]


def _result(
    model: "Opened",
    paths: Sequence[str],
    labels: Sequence[int] | Sequence[tuple[int, ...]],
    groups: Sequence[str] | None,
    column: str | None,
) -> tuple[Result, int]:
    """Return the result and the number of bad files; a line on each has been printed."""
    import numpy as np
    import torch

    from densenet_sweep.data import picture_files
    from densenet_sweep.models import measured

    probabilities, places, contents, num_bad = [], [], [], 0
    for batch in picture_files.batches(paths, model.signature.reading, _BATCH_SIZE, model.signature.found_range):
        for line in batch.bad:
            print(line, file=sys.stderr)
        num_bad += len(batch.bad)
        if batch.places:
            probabilities.append(model.predict(torch.from_numpy(batch.levels_BCHW)))
            places += batch.places
            contents.append(batch.contents_B)
    if not places:
        raise ValueError(f"none of {counted(len(paths), 'file')} could be read as a picture")
    signature = model.signature
    evaluation = measured.evaluation(torch.cat(probabilities), torch.tensor([labels[place] for place in places]))
    groups_N = None if groups is None else np.unique(np.array(groups)[places], return_inverse=True)[1]
    seen = _seen(np.concatenate(contents), model.contents())
    rows: Sequence[OfClass] | Sequence[OfLabel]
    if signature.is_multi_label:
        rows = measured.labels(evaluation, signature.class_names, signature.thresholds)
    else:
        rows = measured.classes(evaluation.confusion_KK, signature.class_names)
    result = Result(
        model.origin,
        len(places),
        measured.metrics(evaluation, groups_N),
        rows,
        measured.at_threshold(evaluation, signature),
        signature.thresholds_of,
        column,
        None if groups_N is None else len(np.unique(groups_N)),
        None if seen is None else len(seen),
        readable(paths[places[seen[0]]]) if seen else None,
    )
    return result, num_bad


def _seen(contents_N: "np.ndarray", of_training: "np.ndarray | None") -> list[int] | None:
    """Return which of the files were among those of training and validation; None where that is not known."""
    import numpy as np

    return None if of_training is None else np.flatnonzero(np.isin(contents_N, of_training)).tolist()


def _as_object(result: Result) -> dict[str, object]:
    """Return plain values; a metric that is not a number is null."""
    metrics = {
        it.name: {"value": it.value if math.isfinite(it.value) else None, "interval": it.interval} for it in result.metrics
    }
    return {**asdict(result), "metrics": metrics}


def _show(result: Result, console: Console) -> None:
    console.print(f"{result.model} on {counted(result.num_images, 'picture')}", highlight=False, markup=False)
    metrics = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("metric", "value", "95 %"):
        metrics.add_column(heading, justify="left" if heading == "metric" else "right", no_wrap=True)
    for it in result.metrics:
        label = OF_OUTPUTS[it.name][1] if it.name in OF_OUTPUTS else it.name
        interval = "" if it.interval is None else f"{it.interval[0]:.4f} to {it.interval[1]:.4f}"
        metrics.add_row(label, f"{it.value:.4f}" if math.isfinite(it.value) else "", interval)
    console.print(metrics)
    columns = [it.name for it in fields(result.classes[0])] if result.classes else []
    classes = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        classes.add_column(_HEADINGS.get(column, column), justify="left" if column == "name" else "right", overflow="fold")
    for row in result.classes:
        classes.add_row(*(_cell(getattr(row, column)) for column in columns))
    console.print(classes)
    for line in _sentences(result):
        console.print(line, highlight=False, markup=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else escape(str(value))


def _sentences(result: Result) -> list[str]:
    """Return what the intervals are by, what the thresholds are, and whether the pictures are new to the model."""
    lines = []
    if result.group_column is not None and result.num_groups is not None:
        lines.append(
            f"The intervals are from drawing {counted(result.num_groups, 'group')} of {result.group_column}, not pictures."
        )
    chosen = f"chosen on {result.thresholds_of or 'validation images'}"
    point = result.at_threshold
    if point is not None:
        lines.append(
            f"From a probability of {point.threshold:.4f} of {point.name} on ({chosen}): sensitivity {point.sensitivity:.4f}, "
            f"specificity {point.specificity:.4f}."
        )
    elif any(hasattr(row, "threshold") for row in result.classes):
        lines.append(f"Recall, specificity, precision and F1 are at the threshold, {_of_thresholds(result)}.")
    return [*lines, _sentence(result)]


def _of_thresholds(result: Result) -> str:
    if all(getattr(row, "threshold", None) == 0.5 for row in result.classes):
        return f"0.5 ({result.thresholds_of})" if result.thresholds_of else "0.5"
    return f"chosen on {result.thresholds_of or 'validation images'}"


def _sentence(result: Result) -> str:
    """Return a sentence on whether the pictures are new to the model."""
    if result.seen is None:
        return "Whether the model was trained on some of these files cannot be known: it keeps no list of its own."
    if result.seen == 0:
        return "None of these files is among those that the model was trained and validated on."
    verb = "is" if result.seen == 1 else "are"
    return (
        f"{result.seen:,} of {counted(result.num_images, 'file')} {verb} among those that the model was trained and "
        f"validated on, such as {result.example}: the numbers flatter it."
    )
