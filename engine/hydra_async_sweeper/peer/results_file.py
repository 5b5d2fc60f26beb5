"""`optimization_results.yaml` in the sweep's folder, as hydra-optuna-sweeper writes it, since scripts read it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hydra_async_sweeper.space.search_space import Space

if TYPE_CHECKING:
    import optuna

_NAME = "optimization_results.yaml"


def write(sweep_dir: Path, study: "optuna.Study", space: Space) -> None:
    """Write the best parameters and value, or those of the Pareto front; the study has a complete trial.

    Raises:
        OSError: the folder cannot be written.
    """
    if len(study.directions) > 1:
        solutions = [{"params": _as_typed(it.params, space), "values": list(it.values)} for it in study.best_trials]
        results: dict[str, Any] = {"name": "optuna", "solutions": solutions}
    else:
        best = study.best_trial
        results = {"name": "optuna", "best_params": _as_typed(best.params, space), "best_value": best.value}
    (sweep_dir / _NAME).write_text(yaml.safe_dump(results, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _as_typed(params: dict[str, Any], space: Space) -> dict[str, Any]:
    """Return the values by key as typed, with its `+`."""
    return {space.parameters[name].key if name in space.parameters else name: value for name, value in params.items()}
