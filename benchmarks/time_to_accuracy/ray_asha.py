"""Ray Tune with Optuna's suggestions and ASHA: `python ray_asha.py TRIALS EPOCHS SEED`."""

import os
import sys
from pathlib import Path
from typing import Any

import ray
from printed import print_epoch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

TRIALS, EPOCHS, SEED = map(int, sys.argv[1:])
SPACE = {"growth_rate": tune.choice([8, 12, 16]), "depth": tune.choice([10, 16]), "lr": tune.loguniform(0.02, 0.5)}


def objective(config: dict[str, Any]) -> None:
    """Train one trial and report each epoch."""
    from plain_loop import train

    for accuracy in train(**config, epochs=EPOCHS, seed=SEED, careful=True):
        tune.report({"accuracy": accuracy})


class Print(tune.Callback):
    """Prints each epoch when Tune learns of it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Print an epoch."""
        del iteration, trials
        number = self._numbers.setdefault(trial.trial_id, len(self._numbers))
        print_epoch(number, result["training_iteration"], EPOCHS, result["accuracy"], **trial.config)


if __name__ == "__main__":
    here = str(Path(__file__).parent)
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {**os.environ, "PYTHONPATH": here}})
    tuner = tune.Tuner(
        tune.with_resources(objective, {"cpu": 1}),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            num_samples=TRIALS,
            max_concurrent_trials=2,
            search_alg=OptunaSearch(seed=SEED, points_to_evaluate=[{"growth_rate": 12, "depth": 16, "lr": 0.2}]),
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1),
        ),
        run_config=tune.RunConfig(storage_path=str(Path.cwd()), callbacks=[Print()], verbose=0),
    )
    print(tuner.fit().get_best_result().config)
