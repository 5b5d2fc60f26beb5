"""The config that a run has left, as overrides: untrusted, whoever wrote it.

It may choose options and set values. A function that is not ours must come from the user: from an option file in the user's
conf or `--config-dir`, or from the command line.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from densenet_sweep.config import composition, run_config
from densenet_sweep.config.schema import Config, ConfigError


def as_overrides(
    path: Path, given: Sequence[str] = (), *, config_dir: str | None = None, keeps_machine: bool = True
) -> list[str]:
    """Return the overrides that reproduce the config that was written to `path`; see `run_config.text`.

    Args:
        path: of the file.
        given: the user's overrides, which will follow; only those of `of_training` are read.
        config_dir: a further folder of config files, as Hydra's `--config-dir`.
        keeps_machine: keep what depends on the machine of the run, too; see `run_config.machine_keys`.

    Raises:
        ConfigError: the file is something else, says more than it may, or needs code that the user has not named.
        OSError: it cannot be read.
    """
    options, values = run_config.read(path)
    ignored = () if keeps_machine else run_config.machine_keys(values["data"])
    overrides = run_config.overrides(options, values, ignored=ignored)
    foreign = run_config.foreign_targets(values)
    if foreign:
        chosen = run_config.overrides(options, {})
        composed = composition.compose([*chosen, *of_training(given)], config_dir=config_dir)
        for key, target in foreign.items():
            if OmegaConf.select(composed, key) != target:
                raise ConfigError(
                    f"{path}: was trained with {key}={target}; a run's config cannot name code of your own, an option file in "
                    f"conf/{key.partition('.')[0]}/ or the command line can"
                )
    return overrides


def config(path: Path, given: Sequence[str] = (), *, config_dir: str | None = None) -> Config:
    """Return the whole config that `path` gives, typed and checked.

    Raises:
        ConfigError, OSError: as `as_overrides`.
        Exception: Hydra's and OmegaConf's, for a value that does not fit; see `errors.one_line`.
    """
    overrides = [*as_overrides(path, given, config_dir=config_dir), *of_training(given)]
    return composition.typed(composition.compose(overrides, config_dir=config_dir))


def of_training(overrides: Sequence[str]) -> list[str]:
    """Return those of `overrides` that choose or name the user's own code."""
    keys = (*run_config.GROUPS, "trusted_targets")
    return [it for it in overrides if it.lstrip("+").partition("=")[0].partition(".")[0] in keys]


def copy(
    path: Path,
    target: Path,
    given: Sequence[str] = (),
    *,
    config_dir: str | None = None,
    comment: str = "",
    without: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write the permitted part of `path`, without the keys `without`, to `target` as an option file of `experiment`.

    Values in `data` replace those of that section.

    Raises:
        ConfigError, OSError: as `as_overrides`; or `target` cannot be written.
    """
    as_overrides(path, given, config_dir=config_dir)
    options, values = run_config.read(path)
    for key in run_config.foreign_targets(values):
        del values[key.partition(".")[0]]["_target_"]
    values = {key: value for key, value in values.items() if key not in without}
    values["data"] = {**values["data"], **(data or {})}
    target.write_text(run_config.text(options, values, comment), encoding="utf-8")
