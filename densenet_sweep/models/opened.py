"""A trained model by any of its names: a file, or one that MLflow or a study keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from densenet_sweep.models import exported, named
from densenet_sweep.models.classifier import Signature
from densenet_sweep.models.exported import Predictor
from densenet_sweep.tracking.access import mlflow_config


@dataclass(frozen=True, eq=False)
class Opened:
    """A model by any name.

    Attributes:
        origin: where it comes from, in words.
        signature: of its images and classes.
        predict: probabilities_BK of images_BCHW (uint8).
        module: returns the same as a module with gradients, or raises ValueError.
        contents: returns the hashes of the files that it was trained and validated on; None where that is not known.
        root: returns `data.root` of its training; empty where that is not known.
    """

    origin: str
    signature: Signature
    predict: Predictor
    module: Callable[[], nn.Module]
    contents: Callable[[], np.ndarray | None]
    root: Callable[[], str]


def open_model(name: str, overrides: Sequence[str], command: str, *, config_dir: str | None = None) -> Opened:
    """Return the model `name` for a `command`; see `named.find` and `exported.read` for the arguments and what is raised."""
    tracking = mlflow_config(overrides, f"{command} reads the model from MLflow, and")
    if exported.is_exported(name):
        signature, predictor = exported.read(Path(name))
        return Opened(name, signature, predictor, lambda: exported.read_module(Path(name)), lambda: None, lambda: "")
    model = named.find(name, tracking.uri, overrides, config_dir=config_dir)
    return Opened(model.origin, model.signature, model, lambda: model.module, model.contents, model.root)
