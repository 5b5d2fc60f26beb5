"""Syne Tune's schedulers, called as its `Tuner` does: 0.16, and 0.14 for what 0.15 removed (promotion, PASHA, DyHPO)."""

import datetime
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from lines import serve
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial


class SyneTune:
    """A scheduler and its trials; more is better."""

    def __init__(self, scheduler: Any, suggest: Callable[[int], Any]) -> None:
        self._scheduler = scheduler
        self._suggest = suggest
        self._trials: list[Trial] = []

    def suggest(self) -> tuple[int, dict[str, Any]]:
        """See `Search`."""
        suggestion = self._suggest(len(self._trials))
        if not suggestion.spawn_new_trial_id:
            trial = self._trials[int(suggestion.checkpoint_trial_id)]
            return trial.trial_id, trial.config
        trial = Trial(len(self._trials), suggestion.config, datetime.datetime.now())
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return trial.trial_id, trial.config

    def report(self, trial: int, step: int, value: float) -> str:
        """See `Search`."""
        decision = self._scheduler.on_trial_result(self._trials[trial], {"epoch": step, "value": value})
        if decision != "CONTINUE":
            self._scheduler.on_trial_remove(self._trials[trial])
        return str(decision).lower()


def begin(method: str, space: dict[str, Any], num_steps: int, seed: int) -> SyneTune:
    """Return a new search; see `serve`."""
    np.random.seed(seed)  # the random searcher of 0.16 draws from there, whatever its seed
    searched = {name: _domain(*bounds) for name, bounds in space.items()}
    if method in ("ASHA", "BOHB", "ASHABORE", "ASHACQR"):
        from syne_tune.optimizer import baselines

        scheduler = getattr(baselines, method)(
            searched, metric="value", time_attr="epoch", max_t=num_steps, do_minimize=False, random_seed=seed
        )
        return SyneTune(scheduler, lambda _: scheduler.suggest())
    from syne_tune.optimizer import legacy_baselines

    name, _, kind = method.partition(" ")
    scheduler = getattr(legacy_baselines, name)(
        searched, metric="value", resource_attr="epoch", max_t=num_steps, mode="max", random_seed=seed,
        **({"type": kind} if kind else {}), **({"search_options": {"debug_log": False}} if name == "DyHPO" else {}),
    )  # fmt: skip
    return SyneTune(scheduler, scheduler.suggest)


def _domain(low: float, high: float, log: bool, whole: bool) -> Any:
    if whole:
        return (config_space.lograndint if log else config_space.randint)(low, high)
    return (config_space.loguniform if log else config_space.uniform)(low, high)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    serve(begin)
