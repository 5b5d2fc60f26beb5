"""Ray Tune's AsyncHyperBandScheduler with random or Optuna's search, called as its `TuneController` does, without a cluster."""

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
from lines import serve
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.variant_generator import generate_variants


class RayTune:
    """A scheduler, a searcher and their trials; more is better. Without a searcher configurations are drawn at random."""

    def __init__(
        self, scheduler: AsyncHyperBandScheduler, searcher: OptunaSearch | None, space: dict[str, Any], seed: int
    ) -> None:
        self._scheduler, self._searcher, self._space = scheduler, searcher, space
        self._rng = np.random.RandomState(seed)
        self._trials: list[SimpleNamespace] = []

    def suggest(self) -> tuple[int, dict[str, Any]]:
        """See `Search`."""
        trial = SimpleNamespace(trial_id=str(len(self._trials)))  # the scheduler reads nothing else
        self._trials.append(trial)
        if self._searcher is not None:
            configuration = self._searcher.suggest(trial.trial_id)
        else:
            _, configuration = next(generate_variants(self._space, random_state=self._rng))
        self._scheduler.on_trial_add(None, trial)
        return int(trial.trial_id), configuration

    def report(self, trial: int, step: int, value: float) -> str:
        """See `Search`."""
        running, result = self._trials[trial], {"training_iteration": step, "value": value}
        decision = self._scheduler.on_trial_result(None, running, result)
        if decision == AsyncHyperBandScheduler.STOP:
            self._scheduler.on_trial_complete(None, running, result)
        if self._searcher is not None:
            done = decision == AsyncHyperBandScheduler.STOP
            (self._searcher.on_trial_complete if done else self._searcher.on_trial_result)(running.trial_id, result)
        return str(decision).lower()


def begin(method: str, space: dict[str, Any], num_steps: int, seed: int) -> RayTune:
    """Return a new search; see `serve`."""
    np.random.seed(seed)
    searched = {name: _domain(*bounds) for name, bounds in space.items()}
    searcher = OptunaSearch(searched, metric="value", mode="max", seed=seed) if method == "ASHA, Optuna" else None
    scheduler = AsyncHyperBandScheduler(metric="value", mode="max", max_t=num_steps)
    return RayTune(scheduler, searcher, searched, seed)


def _domain(low: float, high: float, log: bool, whole: bool) -> Any:
    if whole:
        return (tune.lograndint if log else tune.randint)(low, high + 1)
    return (tune.loguniform if log else tune.uniform)(low, high)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    serve(begin)
