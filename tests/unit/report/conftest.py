"""Studies whose trials are made up, without training anything."""

import math
import random
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "architecture.growth_rate": CategoricalDistribution([8, 12, 16, 24]),
    "architecture.depth": IntDistribution(16, 40, step=6),
    "architecture.block_config": CategoricalDistribution(["[6,6,6]", "[4,4,4]"]),
    "optimizer": CategoricalDistribution(["nesterov", "adamw"]),
    "optimizer.lr": FloatDistribution(0.01, 1, log=True),
    "optimizer.weight_decay": FloatDistribution(1e-6, 0.01, log=True),
}


def _params(rng: random.Random) -> dict[str, Any]:
    params = {
        "architecture.growth_rate": rng.choice([8, 12, 16, 24]),
        "architecture.depth": rng.randrange(16, 41, 6),
        "architecture.block_config": rng.choice(["[6,6,6]", "[4,4,4]"]),
        "optimizer": rng.choice(["nesterov", "adamw"]),
        "optimizer.lr": 10 ** rng.uniform(-2, 0),
    }
    if params["optimizer"] == "adamw":
        params["optimizer.weight_decay"] = 10 ** rng.uniform(-6, -2)
    return params


@pytest.fixture
def swept() -> Callable[..., optuna.Study]:
    """Return a function that makes a study of `number` trials: some complete, some pruned, each twentieth failed."""

    def make(number: int, *, epochs: int = 3, name: str = "made up") -> optuna.Study:
        rng = random.Random(0)
        study = optuna.create_study(study_name=name, direction="maximize")
        study.set_user_attr("config", {"objective": "valid_accuracy"})
        trials = []
        for index in range(number):
            params = _params(rng)
            final = 0.95 - 0.1 * (math.log10(params["optimizer.lr"]) + 1) ** 2 - 0.4 / params["architecture.growth_rate"]
            state = "FAIL" if index % 20 == 7 else "PRUNED" if epochs > 1 and index % 3 == 1 else "COMPLETE"
            num_trained = epochs if state == "COMPLETE" else 1
            curve = [final * (1 - 0.5**epoch) + rng.uniform(0, 0.01) for epoch in range(1, num_trained + 1)]
            num_parameters = 100 * params["architecture.growth_rate"] * params["architecture.depth"]
            trials.append(
                create_trial(
                    state=TrialState[state],
                    value=None if state == "FAIL" else curve[-1],
                    params=params,
                    distributions={key: DISTRIBUTIONS[key] for key in params},
                    intermediate_values=dict(enumerate(curve, start=1)),
                    user_attrs={"num_parameters": num_parameters, "seconds": num_parameters / 1000 * num_trained},
                )
            )
        study.add_trials(trials)
        return study

    return make
