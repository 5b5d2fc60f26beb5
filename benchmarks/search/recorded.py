"""The grids of `learning_curves.csv` as tasks: 9 and 27 epochs, after a rung under a schedule of its own."""

import statistics
from collections.abc import Mapping
from typing import Any

from hydra_async_sweeper.space import search_space
from learning_curves import Curve, grid

from search.task import Task

PARAMETERS = {
    "architecture.growth_rate": "choice(4,6,8,12)",
    "architecture.depth": "range(10,17,6)",
    "optimizer.lr": "tag(log,interval(0.01,1))",
    "optimizer.weight_decay": "tag(log,interval(0.0001,0.01))",
}


def names() -> tuple[str, ...]:
    """Return the tasks' names: the epochs of a whole training."""
    return "9", "27"


def task(name: str) -> Task:
    """Return the grid whose trainings have so many epochs; of a configuration the nearest recorded one answers."""
    recorded = grid(int(name))
    rungs = (1,)

    def curves(configuration: Mapping[str, Any]) -> list[Curve]:
        return recorded.nearest(rungs, [configuration[key] for key in PARAMETERS])

    space = search_space.read(PARAMETERS, [], None)
    return Task(name, space, int(name), curves, recorded.best, statistics.median(recorded.finals), rungs)
