"""A task of the yardstick: a space, and the learning curve of every configuration in it."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hydra_async_sweeper.space.search_space import Space
from learning_curves import Curve


@dataclass(frozen=True)
class Task:
    """What a search is replayed on; more is better.

    Attributes:
        name: of the task, among those of its family.
        space: what is searched.
        num_steps: of a whole training.
        curves: a configuration's trainings: those of its rungs, the shortest first, and the whole one.
        best: the best known last value.
        median: the last value of the median random configuration.
        rungs: steps of separate short trainings, under schedules of their own, that the task trains first.
    """

    name: str
    space: Space
    num_steps: int
    curves: Callable[[Mapping[str, Any]], Sequence[Curve]]
    best: float
    median: float
    rungs: tuple[int, ...] = ()

    def regret(self, value: float) -> float:
        """Return the normalised regret: 0 is the best known, 1 the median random configuration, which is also the most."""
        return 1.0 if value == -math.inf else min(1.0, max(0.0, (self.best - value) / (self.best - self.median)))


def step_seconds(task: str, configuration: Mapping[str, Any]) -> float:
    """Return the simulated seconds of a step: log-normal over configurations (deviation 0.5), the same in every replay."""
    return float(np.exp(0.5 * rng_of(task, configuration).standard_normal()))


def rng_of(task: str, configuration: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator of the configuration's own, for what a table does not hold."""
    text = json.dumps([task, sorted(configuration.items())])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))
