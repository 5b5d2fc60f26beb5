"""A trial's folder below the sweep's: its number, unless the application's `hydra.sweep.subdir` names it.

The names of the others are among the trials' attributes, and in a file of the sweep's folder, which outlives a lost study.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from hydra_async_sweeper.optuna_private import storage_of
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.trial import FOLDER

if TYPE_CHECKING:
    import optuna

# In the sweep's folder: a line of JSON for each trial whose folder is not its number, with both.
_NAMED = ".trial_folders"

_HYDRAS_OWN = "${hydra.job.num}"


def name(number: int, attributes: Mapping[str, Any]) -> str:
    """Return the folder of the trial `number`, which has these user attributes."""
    return str(attributes.get(FOLDER, number))


def named(study: "optuna.Study") -> dict[int, str]:
    """Return the folders of the trials for which it is not their number."""
    return {it.number: it.user_attrs[FOLDER] for it in study.get_trials(deepcopy=False) if FOLDER in it.user_attrs}


def reserve(study: "optuna.Study", trial: "optuna.Trial", config: DictConfig) -> str:
    """Return the trial's folder, the same in every attempt and shared by no two: what its `config` names, if it is free."""
    if OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"] == _HYDRAS_OWN:  # type: ignore[index, call-overload]
        return str(trial.number)
    if FOLDER in trial.user_attrs:
        return name(trial.number, trial.user_attrs)
    wanted = str(config.hydra.sweep.subdir)
    with exclusive(storage_of(study), study.study_name):
        others = [it for it in study.get_trials(deepcopy=False) if it.number != trial.number]
        is_taken = wanted in {name(it.number, it.user_attrs) for it in others}
        folder = f"{wanted}-{trial.number}" if is_taken else wanted
        trial.set_user_attr(FOLDER, folder)
    return folder


def note(sweep_dir: Path, number: int, folder: str) -> None:
    """Write down the folder of a trial that is about to have one, unless it is its number.

    Raises:
        OSError: the sweep's folder cannot be written.
    """
    if folder != str(number):
        sweep_dir.mkdir(parents=True, exist_ok=True)
        with (sweep_dir / _NAMED).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps([number, folder])}\n")


def left_in(sweep_dir: Path) -> list[int]:
    """Return the numbers of the trials that have a folder in `sweep_dir`, in order."""
    file = sweep_dir / _NAMED
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    noted = [json.loads(line) for line in lines if line.endswith("]")]  # a full disk may have cut the last one
    named = {folder: number for number, folder in noted}
    plain = {path.name: int(path.name) for path in sweep_dir.iterdir() if path.name.isdecimal()}
    return sorted({number for folder, number in {**plain, **named}.items() if (sweep_dir / folder).is_dir()})
