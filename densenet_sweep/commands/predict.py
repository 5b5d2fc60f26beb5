"""`densenet-sweep predict MODEL image.png ...`: the classes of pictures, with their probabilities.

Each picture is read and resized as training does with pictures in folders, 16- and 32-bit grey by the training's range of
values. Data sets such as MNIST and Fashion-MNIST are light on black: `--invert` turns a dark drawing on white paper into that.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.config.command_line import Parser
from densenet_sweep.tracking.access import mlflow_config

if TYPE_CHECKING:
    from densenet_sweep.models.classifier import Signature
    from densenet_sweep.models.exported import Predictor

_FORMATS = ("table", "json")
_BATCH_SIZE = 64


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of a picture, best first."""

    image: str
    classes: list[tuple[str, float]]


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("predict", __doc__)
    arguments.add_argument("model", metavar="MODEL", help="champion, models:/..., a study, a run's id, or a file: .onnx, .pt2")
    arguments.add_argument("images", nargs="+", metavar="IMAGE", help="pictures; and tracking.uri=..., as for a run")
    arguments.add_argument("--top", type=int, default=3, metavar="N", help="how many classes to show of each picture (3)")
    arguments.add_argument("--format", default="table", metavar="FORMAT", help=", ".join(_FORMATS))
    arguments.add_argument("--invert", action="store_true", help="exchange light and dark first")
    arguments.add_argument("--config-dir", metavar="FOLDER", help="a further folder of config files, with options of your own")
    return arguments


def main(arguments: list[str]) -> None:
    """Print the model's classes for the pictures.

    Raises:
        ValueError, OSError: no such model, or a file that is no picture; nothing has been printed then.
    """
    parsed = parser().parse_intermixed_args(arguments)
    if parsed.top < 1:
        raise ValueError(f"--top {parsed.top}: a whole number of at least 1 is accepted")
    if parsed.format not in _FORMATS:
        raise ValueError(f"--format {parsed.format}: one of {', '.join(_FORMATS)} is accepted")
    overrides = [word for word in parsed.images if re.match(r"[+~]*(tracking[.=]|trusted_targets=)", word)]
    images = [Path(word) for word in parsed.images if word not in overrides]
    if not images:
        raise ValueError("predict: no picture was given; at least one is accepted")
    for image in images:
        if not image.is_file():
            raise FileNotFoundError(f"{image}: no such file")
    signature, predictor = _opened(parsed.model, overrides, parsed.config_dir)
    predictions = _predictions(images, signature, predictor, invert=parsed.invert, top=parsed.top)
    if parsed.format == "json":
        print(json.dumps([_as_object(prediction) for prediction in predictions], indent=2, ensure_ascii=False))
    else:
        Console().print(_table(predictions))


def _opened(name: str, overrides: Sequence[str], config_dir: str | None) -> "tuple[Signature, Predictor]":
    """Return the signature and the predictor of the model `name`."""
    tracking = mlflow_config(overrides, "predict reads the model from MLflow, and")
    from densenet_sweep.models import exported
    from densenet_sweep.models import named as models

    if exported.is_exported(name):
        return exported.read(Path(name))
    model = models.find(name, tracking.uri, overrides, config_dir=config_dir)
    return model.signature, model


def _predictions(
    images: Sequence[Path], signature: "Signature", predictor: "Predictor", *, invert: bool, top: int
) -> list[Prediction]:
    import numpy as np
    import torch

    from densenet_sweep.data import picture

    with picture.quietly():
        decoded = [picture.levels_of(path, signature.reading) for path in images]
    decoded_BCHW = torch.from_numpy(np.stack(decoded))
    if invert:
        decoded_BCHW = 255 - decoded_BCHW
    probabilities_BK = torch.cat([predictor(batch_BCHW) for batch_BCHW in torch.split(decoded_BCHW, _BATCH_SIZE)])
    best = probabilities_BK.topk(min(top, len(signature.class_names)))
    return [
        Prediction(str(path), [(signature.class_names[index], value) for index, value in zip(indices, values, strict=True)])
        for path, indices, values in zip(images, best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _as_object(prediction: Prediction) -> dict[str, object]:
    classes = [{"class": name, "probability": probability} for name, probability in prediction.classes]
    return {"image": prediction.image, "classes": classes}


def _table(predictions: Sequence[Prediction]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("picture", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    for prediction in predictions:
        for rank, (name, probability) in enumerate(prediction.classes):
            shown = escape(prediction.image) if rank == 0 else ""
            table.add_row(shown, escape(name), f"{probability:.4f}", style="dim" if rank else None)
    return table
