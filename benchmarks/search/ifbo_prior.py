"""Synthetic tasks from the prior of the `ifbo` package (Rakotoarison et al., "In-Context Freeze-Thaw BO", 2024).

The package is installed without its dependencies into a folder of its own, since it wants another cloudpickle:

    pip install --no-deps --target build/ifbo ifbo==0.4.1
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hydra_async_sweeper.space import search_space
from learning_curves import Curve

from search.task import Task, rng_of, step_seconds

FOLDER = Path(__file__).parents[2] / "build" / "ifbo"
_NUM_STEPS = 50
_NUM_PARAMETERS = 4
_NUM_OUTPUTS = 23  # of the prior's network: what describes one curve
_KEYS = tuple(f"x{index}" for index in range(_NUM_PARAMETERS))


def names(count: int = 50) -> tuple[str, ...]:
    """Return the tasks' names: their seeds.

    Raises:
        FileNotFoundError: the package is not here; the message has the command that installs it.
    """
    if not (FOLDER / "ifbo").exists():
        raise FileNotFoundError(f"ifbo is not installed: pip install --no-deps --target {FOLDER} ifbo==0.4.1")
    return tuple(str(seed) for seed in range(count))


def task(name: str) -> Task:
    """Return the task of this seed: four numbers in [0, 1], 50 steps, a value in [0, 1] with the prior's noise."""
    prior = _prior(int(name))
    drawn = np.random.default_rng(12345).random((2000, _NUM_PARAMETERS))
    curve = prior.curves_for_configs(drawn, noise=False)
    last = np.array([1.0])
    ends = np.array([curve(last, index)[0] for index in range(len(drawn))])

    def curves(configuration: Mapping[str, Any]) -> list[Curve]:
        values = np.array([[configuration[key] for key in _KEYS]])
        np.random.seed(rng_of(name, configuration).integers(2**32))  # the package draws its noise from there
        steps = np.arange(1, _NUM_STEPS + 1) / _NUM_STEPS
        recorded = prior.curves_for_configs(values, noise=False)(steps, 0).tolist()
        return [Curve(recorded, [step_seconds(name, configuration)] * _NUM_STEPS)]

    space = search_space.read(dict.fromkeys(_KEYS, "interval(0,1)"), [], None)
    return Task(name, space, _NUM_STEPS, curves, float(ends.max()), float(np.median(ends)))


def _prior(seed: int) -> Any:
    """Return a task of the prior, which draws from the global states of NumPy and PyTorch."""
    import torch

    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    from ifbo.priors.ftpfn_prior import DatasetPrior

    np.random.seed(seed)
    torch.manual_seed(seed)
    return DatasetPrior(_NUM_PARAMETERS, _NUM_OUTPUTS)
