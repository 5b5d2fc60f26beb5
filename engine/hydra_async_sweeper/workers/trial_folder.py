"""A trial's folder below the sweep's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

# Attribute of a trial: its folder, where that is not its number.
_FOLDER = "folder"


def name(number: int, attributes: Mapping[str, Any]) -> str:
    """Return the folder of the trial `number`, which has these user attributes."""
    return str(attributes.get(_FOLDER, number))


def reserve(study: "optuna.Study", trial: "optuna.Trial", wanted: str) -> str:
    """Return the trial's folder, the same in every attempt and shared by no two trials: `wanted`, Hydra's, if it is free."""
    if wanted == str(trial.number):
        return wanted
    if _FOLDER in trial.user_attrs:
        return name(trial.number, trial.user_attrs)
    others = (it for it in study.get_trials(deepcopy=False) if it.number != trial.number)
    is_taken = wanted in {it.user_attrs.get(_FOLDER) for it in others}
    folder = f"{wanted}-{trial.number}" if is_taken else wanted
    trial.set_user_attr(_FOLDER, folder)
    return folder
