"""The best trial of a study, and its config as a file that runs again on its own."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    import optuna

# Study attribute: its trials are repetitions, so none of them is the best.
REPEATS = "repeats"

# Groups whose options set other groups' keys. The values show their effect; naming them again would start a sweep.
_COMPOSING_GROUPS = ("experiment", "sweep")


def best_trial(study: "optuna.Study") -> "optuna.trial.FrozenTrial | None":
    """Return the best trial; None with several objectives, for repetitions, or while no trial qualifies."""
    if len(study.directions) > 1 or study.user_attrs.get(REPEATS):
        return None
    with suppress(ValueError):  # none is complete, or none keeps the constraints
        return study.best_trial
    return None


def flat_job_config(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return the leaves of the job part of `config` (all but Hydra's own) by override path, resolved or as written."""
    job = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(job, False)
    try:
        container = OmegaConf.to_container(job, resolve=resolve)
    except Exception:  # an interpolation into Hydra's part, which only a running job has
        container = OmegaConf.to_container(job, resolve=False)
    assert isinstance(container, dict)
    return _flat(container)


def needed_options(config_loader: ConfigLoader, config: DictConfig) -> list[str]:
    """Return the command line's launcher and sweeper if the application's config does not compose without them."""
    try:
        config_loader.load_configuration(config_name=config.hydra.job.config_name, overrides=[], run_mode=RunMode.RUN)
    except Exception:  # it sets keys that only they have
        given = [str(line) for line in config.hydra.overrides.hydra]
        return [line for line in given if line.startswith(("hydra/launcher=", "hydra/sweeper="))]
    return []


def chosen_options(config: DictConfig, ignored: Sequence[str] = ()) -> dict[str, str]:
    """Return the chosen option of each application group, except groups whose options set other groups' keys."""
    chosen = OmegaConf.select(config, "hydra.runtime.choices", default={})
    return {
        group: option
        for group, option in chosen.items()
        if option is not None and not group.startswith("hydra/") and group not in _COMPOSING_GROUPS and "@" not in group
        if not is_below(group, ignored)
    }


def plain_config(config_loader: ConfigLoader, config: DictConfig, choices: Mapping[str, str]) -> DictConfig:
    """Return the config that these group options give, without value overrides.

    Args:
        config_loader: Hydra's.
        config: of the command, composed, with Hydra's part.
        choices: by group.

    Raises:
        Exception: Hydra's, for an option that does not exist.
    """
    return config_loader.load_configuration(
        config_name=config.hydra.job.config_name,
        overrides=[*needed_options(config_loader, config), *(f"{group}={option}" for group, option in choices.items())],
        run_mode=RunMode.RUN,
    )


def is_below(key: str, sections: Sequence[str]) -> bool:
    """Return whether `key` is one of `sections` or lies in one."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def write(
    path: Path,
    config_loader: ConfigLoader,
    config: DictConfig,
    header: str,
    ignored: Sequence[str] = (),
    *,
    repetition: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the job part of `config` to `path` as an option file: the chosen groups, and what differs from them.

    Args:
        path: `.../experiment/best.yaml`; the folder above `experiment` is the `--config-dir`.
        config_loader: Hydra's, to compose what the chosen groups give by themselves.
        config: of the trial, composed, with Hydra's part.
        header: a comment for the top of the file, without its `#`.
        ignored: keys and sections to leave out, such as where results are written.
        repetition: further values by override path that repeat the trial exactly; written even if ignored.

    Raises:
        OSError: the folder cannot be written.
    """
    choices = chosen_options(config, ignored)
    unset = object()
    given = flat_job_config(plain_config(config_loader, config, choices))
    differing = {
        key: value
        for key, value in flat_job_config(config).items()
        if given.get(key, unset) != value and not is_below(key, ignored)
    } | dict(repetition)
    lines = ["# @package _global_", *(f"# {line}".rstrip() for line in header.splitlines()), "defaults:"]
    lines += [f"  - override /{group}: {option}" for group, option in choices.items()]
    body = yaml.safe_dump(_nested(differing), sort_keys=False) if differing else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines if choices else [line for line in lines if line != "defaults:"])
    path.write_text(f"{text}\n\n{body}", encoding="utf-8")


def _flat(section: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            leaves |= _flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def _nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in leaves.items():
        *sections, last = path.split(".")
        node = root
        for section in sections:
            node = node.setdefault(section, {})
        node[last] = value
    return root
