"""`densenet-sweep predict MODEL PICTURE|FOLDER|PATTERN ...`: the classes of pictures, with their probabilities.

Each picture is read and resized as training does with pictures in folders, 16- and 32-bit grey by the training's range of
values. Data sets such as MNIST and Fashion-MNIST are light on black: `--invert` turns a dark drawing on white paper into that.
Where the model has thresholds, the labels at or above theirs are marked. A file that is no picture is reported and left out;
the exit code is then 1.
"""

import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.commands.arguments import is_of_a_model
from densenet_sweep.config.command_line import Parser
from densenet_sweep.counts import counted
from densenet_sweep.file_names import readable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from densenet_sweep.models.classifier import Signature
    from densenet_sweep.models.opened import Opened

_FORMATS = ("table", "json")
_BATCH_SIZE = 64
_EXPLAINED_AT_ONCE = 8  # all feature maps are kept for the gradients
# The longer side of a picture with a heat map, at least, in pixels.
_SIDE = 256


@dataclass(frozen=True)
class Prediction:
    """The probability of each class of a picture, most probable first; `predicted` are those at or above their thresholds."""

    image: str
    classes: list[tuple[str, float]]
    predicted: list[str] | None = None


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("predict", __doc__)
    arguments.add_argument(
        "model", metavar="MODEL", help="champion, models:/..., a study, STUDY/TRIAL, a run's id, or a file: .onnx, .pt2"
    )
    arguments.add_argument(
        "images", nargs="+", metavar="PATH", help="pictures, folders and patterns; and tracking.uri=..., as for a run"
    )
    arguments.add_argument("--top", type=int, default=3, metavar="N", help="how many classes to show of each picture (3)")
    arguments.add_argument("--format", default="table", metavar="FORMAT", help=", ".join(_FORMATS))
    arguments.add_argument("--output", metavar="FILE", help="write CSV instead: path, label, the probability of each class")
    arguments.add_argument("--explain", metavar="FOLDER", help="write each picture there, under the heat map of its class")
    arguments.add_argument("--invert", action="store_true", help="exchange light and dark first")
    arguments.add_argument("--config-dir", metavar="FOLDER", help="a further folder of config files, with options of your own")
    return arguments


def main(arguments: list[str]) -> None:
    """Print the model's classes for the pictures, or write them.

    Raises:
        ValueError, OSError: no such model or picture, and nothing has been printed then; or some files were no pictures.
    """
    parsed = parser().parse_intermixed_args(arguments)
    if parsed.top < 1:
        raise ValueError(f"--top {parsed.top}: a whole number of at least 1 is accepted")
    if parsed.format not in _FORMATS:
        raise ValueError(f"--format {parsed.format}: one of {', '.join(_FORMATS)} is accepted")
    overrides = [word for word in parsed.images if is_of_a_model(word)]
    words = [word for word in parsed.images if word not in overrides]
    if not words:
        raise ValueError("predict: no picture was given; at least one is accepted")
    from densenet_sweep.data import picture_files
    from densenet_sweep.models.opened import open_model

    paths = picture_files.named(words)
    model = open_model(parsed.model, overrides, "predict", config_dir=parsed.config_dir)
    bad: list[str] = []
    names = model.signature.class_names
    with ExitStack() as files:
        predictions = _predictions(paths, model, bad, invert=parsed.invert, explain=parsed.explain)
        if parsed.output is not None:
            write = files.enter_context(
                _csv(Path(parsed.output), names, marks=model.signature.predicted([0.0] * len(names)) is not None)
            )
            num_good = sum(write(prediction) for prediction in predictions)
        else:
            num_good = _print(list(predictions), parsed.top, as_json=parsed.format == "json")
    if parsed.output is not None:
        print(f"{parsed.output}: {counted(num_good, 'picture')}")
    if parsed.format == "table" and (said := _of_thresholds(model.signature)):
        print(said)
    if bad:
        raise ValueError(f"{len(bad):,} of {counted(len(paths), 'file')} could not be read as a picture")


def _of_thresholds(signature: "Signature") -> str:
    """Return a sentence on where the thresholds come from; empty where the model marks nothing."""
    if signature.predicted([0.0] * len(signature.class_names)) is None:
        return ""
    if signature.thresholds is None:
        return f"predicted: from 0.5 on{f' ({signature.thresholds_of})' if signature.thresholds_of else ''}"
    return f"predicted: at or above thresholds chosen on {signature.thresholds_of or 'validation images'}"


def _predictions(
    paths: Sequence[str], model: "Opened", bad: list[str], *, invert: bool, explain: str | None
) -> Iterator[Prediction]:
    """Yield the prediction of each good picture in order; a line about each bad one is printed and added to `bad`."""
    import torch

    from densenet_sweep.data import picture_files

    module = None if explain is None else model.module()
    files = {} if explain is None else explanation_files(Path(explain), paths)
    for batch in picture_files.batches(paths, model.signature.reading, _BATCH_SIZE, model.signature.found_range):
        for line in batch.bad:
            print(line, file=sys.stderr)
        bad += batch.bad
        if not batch.places:
            continue
        levels_BCHW = torch.from_numpy(255 - batch.levels_BCHW if invert else batch.levels_BCHW)
        probabilities_BK = model.predict(levels_BCHW)
        sorted_BK = probabilities_BK.sort(descending=True, stable=True)
        good = [paths[place] for place in batch.places]
        if module is not None:
            _explain([files[path] for path in good], module, levels_BCHW, sorted_BK.indices[:, 0])
        for path, indices, values, row in zip(
            good, sorted_BK.indices.tolist(), sorted_BK.values.tolist(), probabilities_BK.tolist(), strict=True
        ):
            names = [model.signature.class_names[index] for index in indices]
            yield Prediction(readable(path), list(zip(names, values, strict=True)), model.signature.predicted(row))


def explanation_files(folder: Path, paths: Sequence[str]) -> dict[str, Path]:
    """Return a file in `folder` for each path, under the path by which it was named as far as that leads down.

    Of paths that differ in what is left out alone, as `a.png` and `../a.png`, the second is in a folder `2`, and so on.
    """
    files: dict[str, Path] = {}
    used: set[str] = set()  # without capitals, which not every file system tells apart
    folders: set[str] = set()
    for path in paths:
        inside = [part for part in Path(f"{path}.png").parts if part not in (Path(path).anchor, "..")]
        for number in itertools.count(1):
            file = Path(*([str(number)] if number > 1 else []), *inside)
            key, above = str(file).casefold(), {str(parent).casefold() for parent in file.parents}
            if key not in used and key not in folders and not above & used:
                break
        used.add(key)
        folders |= above
        files[path] = folder / file
    return files


def _explain(files: Sequence[Path], module: "nn.Module", levels_BCHW: "Tensor", classes_B: "Tensor") -> None:
    """Write the pictures with heat maps to these files."""
    import torch

    from densenet_sweep.drawing.heat import overlay
    from densenet_sweep.models.explanation import heat_maps

    parts = zip(torch.split(levels_BCHW, _EXPLAINED_AT_ONCE), torch.split(classes_B, _EXPLAINED_AT_ONCE), strict=True)
    heat_BHW = torch.cat([heat_maps(module, *part) for part in parts])
    for file, levels_CHW, heat_HW in zip(files, levels_BCHW.numpy(), heat_BHW.numpy(), strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        overlay(levels_CHW, heat_HW, _SIDE).save(file)


@contextmanager
def _csv(path: Path, class_names: Sequence[str], *, marks: bool) -> Iterator[Callable[[Prediction], bool]]:
    """Yield what writes a prediction as a row; the file gets its name when all are written.

    Raises:
        OSError: it cannot be written.
    """
    from densenet_sweep.data.labels import SEPARATOR

    if path.is_dir():
        raise IsADirectoryError(f"--output {path}: is a folder; the name of a file is accepted")
    unfinished = path.with_name(f".{path.name}.part")
    try:
        file = unfinished.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise OSError(f"--output {path}: cannot be written ({error.strerror})") from None
    try:
        with file:
            rows = csv.writer(file)
            rows.writerow(
                ["path", "label", *(f"probability_{name}" for name in class_names), *(["predicted"] if marks else [])]
            )

            def write(prediction: Prediction) -> bool:
                probabilities = dict(prediction.classes)
                values = [f"{probabilities[name]:.6f}" for name in class_names]
                marked = [] if prediction.predicted is None else [SEPARATOR.join(prediction.predicted)]
                rows.writerow([prediction.image, prediction.classes[0][0], *values, *marked])
                return True

            yield write
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _print(predictions: Sequence[Prediction], top: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([_as_object(prediction, top) for prediction in predictions], indent=2, ensure_ascii=False))
    elif predictions:
        Console().print(_table(predictions, top))
    return len(predictions)


def _as_object(prediction: Prediction, top: int) -> dict[str, object]:
    classes = [{"class": name, "probability": probability} for name, probability in prediction.classes[:top]]
    marked = {} if prediction.predicted is None else {"predicted": prediction.predicted}
    return {"image": prediction.image, "classes": classes, **marked}


def _table(predictions: Sequence[Prediction], top: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("picture", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    is_marked = any(prediction.predicted is not None for prediction in predictions)
    if is_marked:
        table.add_column("predicted", no_wrap=True)
    for prediction in predictions:
        predicted = prediction.predicted or []
        shown = [(name, it) for rank, (name, it) in enumerate(prediction.classes) if rank < top or name in predicted]
        for rank, (name, probability) in enumerate(shown):
            marked = ["yes" if name in predicted else ""] if is_marked else []
            picture = escape(prediction.image) if rank == 0 else ""
            is_dim = name not in predicted if is_marked else rank > 0
            table.add_row(picture, escape(name), f"{probability:.4f}", *marked, style="dim" if is_dim else None)
    return table
