"""LCBench's surrogate (Zimmer et al. 2021; YAHPO Gym): its development tasks, from the folder `$DENSENET_SWEEP_YARDSTICK`.

The folder's `lcbench.py` reads the surrogate; its other tasks are for acceptance, and nothing here runs them.
"""

import functools
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hydra_async_sweeper.space import search_space
from learning_curves import Curve

from search.task import Task, step_seconds

FOLDER = "DENSENET_SWEEP_YARDSTICK"


def names() -> tuple[str, ...]:
    """Return the development tasks.

    Raises:
        FileNotFoundError: the surrogate is not here; the message names what is missing.
    """
    tasks: tuple[str, ...] = _surrogate().TASKS
    return tasks


def task(name: str) -> Task:
    """Return one of the tasks: 7 hyperparameters of a multilayer perceptron, 52 epochs, validation accuracy in percent."""
    surrogate = _surrogate()
    best, median = _scale(name)

    def curves(configuration: Mapping[str, Any]) -> list[Curve]:
        values = surrogate.curves(name, [configuration])[0].tolist()
        return [Curve(values, [step_seconds(name, configuration)] * len(values))]

    return Task(name, _space(), surrogate.NUM_EPOCHS, curves, best, median)


@functools.cache
def _scale(name: str) -> tuple[float, float]:
    """Return what the surrogate's `scale` does, from the last epochs alone: whole curves take gigabytes."""
    surrogate = _surrogate()
    drawn = surrogate.random_configurations(3000, seed=12345)
    continuous = np.array([[surrogate.NUM_EPOCHS, *(it[key] for key in surrogate.SPACE)] for it in drawn], np.float32)
    categorical = np.full((len(drawn), 1), surrogate._codes[name], np.int32)
    ends = surrogate._session.run(None, {"x_cat": categorical, "x_cont": continuous})[0][:, 1]
    return float(ends.max()), float(np.median(ends))


@functools.cache
def _space() -> search_space.Space:
    texts = {}
    for name, (low, high, log, whole) in _surrogate().SPACE.items():
        text = f"interval({low},{high})"
        text = f"int({text})" if whole else text
        texts[name] = f"tag(log,{text})" if log else text
    return search_space.read(texts, [], None)


@functools.cache
def _surrogate() -> Any:
    folder = os.environ.get(FOLDER)
    if not folder:
        raise FileNotFoundError(f"{FOLDER} is not set: the folder with LCBench's surrogate (lcbench.py, model.onnx)")
    path = Path(folder) / "lcbench.py"
    if not path.exists():
        raise FileNotFoundError(f"{FOLDER}={folder}: there is no lcbench.py")
    spec = importlib.util.spec_from_file_location("lcbench_surrogate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
