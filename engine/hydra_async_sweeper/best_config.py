"""A trial's config beside the application's own: leaves, chosen options, defaults."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

# Study attribute: its trials are repetitions, so none of them is the best.
REPEATS = "repeats"

# Groups whose options set other groups' keys, in any application; `best_file` finds others.
COMPOSING_GROUPS = ("experiment", "sweep")


ABSENT: Any = object()


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


def default_config(config_loader: ConfigLoader, config: DictConfig) -> tuple[DictConfig, list[str]]:
    """Return the application's config without overrides, and the typed options without which it does not compose.

    These are its launcher and sweeper, if it sets keys that only they have, and options of groups that have no default.

    Raises:
        Exception: Hydra's, if it does not compose with them either.
    """
    typed = [str(line) for line in config.hydra.overrides.hydra]
    plugins = [line for line in typed if line.startswith(("hydra/launcher=", "hydra/sweeper="))]
    for needed in ([], plugins):
        with suppress(Exception):
            return composed(config_loader, config, needed), needed
    options = [str(line) for line in config.hydra.overrides.task if is_option(config_loader, str(line))]
    return composed(config_loader, config, [*plugins, *options]), [*plugins, *options]


def is_option(config_loader: ConfigLoader, override: str) -> bool:
    """Return whether `override` chooses an option of a config group."""
    group, is_assignment, _ = override.lstrip("+").partition("=")
    return bool(is_assignment and config_loader.get_group_options(group.partition("@")[0].lstrip("/")))


def chosen_options(config: DictConfig, ignored: Sequence[str] = ()) -> dict[str, str]:
    """Return the chosen option of each application group, except groups whose options set other groups' keys."""
    return {
        group: option
        for group, option in choices_of(config).items()
        if option is not None and group not in COMPOSING_GROUPS and not is_below(group, ignored)
    }


def plain_config(config_loader: ConfigLoader, config: DictConfig, choices: Mapping[str, str | None]) -> DictConfig:
    """Return the config that these group options give, without value overrides.

    Args:
        config_loader: Hydra's.
        config: of the command, composed, with Hydra's part.
        choices: by group; those of the application's defaults may be missing.

    Raises:
        Exception: Hydra's, for an option that does not exist.
    """
    default, needed = default_config(config_loader, config)
    return composed(config_loader, config, [*needed, *option_overrides(choices, choices_of(default))])


def option_overrides(choices: Mapping[str, str | None], before: Mapping[str, str | None]) -> list[str]:
    """Return the overrides that change the options `before` into `choices`."""
    return [
        f"~{group}" if option is None else f"{'' if group in before else '+'}{group}={option}"
        for group, option in choices.items()
        if before.get(group) != option
    ]


def is_below(key: str, sections: Sequence[str]) -> bool:
    """Return whether `key` is one of `sections` or lies in one."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def composed(config_loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return what the application of `config` gives with these overrides alone."""
    return config_loader.load_configuration(
        config_name=config.hydra.job.config_name, overrides=list(overrides), run_mode=RunMode.RUN
    )


def choices_of(config: DictConfig) -> dict[str, str | None]:
    """Return the option of each of the application's groups, as the composed config records it."""
    choices = OmegaConf.select(config, "hydra.runtime.choices", default={})
    return {str(group): option for group, option in choices.items() if not str(group).startswith("hydra/")}


def _flat(section: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            leaves |= _flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
