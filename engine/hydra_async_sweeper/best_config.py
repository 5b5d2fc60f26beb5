"""A trial's config beside the application's own: leaves, chosen options, defaults."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

# Study attribute: its trials are repetitions, so none of them is the best.
REPEATS = "repeats"

ABSENT: Any = object()


def flat_job_config(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return the leaves of the job part of `config` (all but Hydra's own) by override path, as plain values.

    They are resolved or as written; a time (`${now:...}`) is always as written, since another start of the same command has
    another one. A section with keys that are no text, or have dots, is a leaf of its own.
    """
    job = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    OmegaConf.set_struct(job, False)
    container = OmegaConf.to_container(job, resolve=False, enum_to_str=True)
    if resolve:
        with suppress(Exception):  # an interpolation into Hydra's part, which only a running job has
            timeless = _timeless(container)
            job = job if timeless == container else OmegaConf.create(timeless)
            container = OmegaConf.to_container(job, resolve=True, enum_to_str=True)
    assert isinstance(container, dict)
    return _flat(container)


def as_json(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return leaves as a study keeps them: bytes, which JSON lacks, are text as Python writes them."""
    kept: dict[str, Any] = json.loads(json.dumps(leaves, default=repr))
    return kept


def is_same(value: Any, other: Any) -> bool:
    """Return whether two values of a config are equal, where a NaN equals a NaN."""
    if isinstance(value, float) and isinstance(other, float) and math.isnan(value):
        return math.isnan(other)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(is_same, value, other))
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(is_same(value[key], other[key]) for key in value)
    return bool(value == other)


def typed_overrides(config: DictConfig, kind: str) -> list[str]:
    """Return the overrides of the job (`task`) or of Hydra (`hydra`) as they were typed, unresolved."""
    lines: Any = OmegaConf.to_container(config.hydra.overrides[kind], resolve=False)
    return [str(line) for line in lines]


def is_new_each_time(config: DictConfig, key: str) -> bool:
    """Return whether the text under `key` holds the time of this start, itself or by what it refers to."""
    section, _, last = key.rpartition(".")
    node = OmegaConf.select(config, section) if section else config
    if not isinstance(node, DictConfig) or last not in node:
        return False
    written: Any = OmegaConf.to_container(OmegaConf.masked_copy(node, [last]), resolve=False)
    referred = re.findall(r"\$\{(\w[\w.]*)\}", str(written[last]))
    return "${now:" in str(written[last]) or any(is_new_each_time(config, other) for other in referred)


def default_config(config_loader: ConfigLoader, config: DictConfig) -> tuple[DictConfig, list[str]]:
    """Return the application's config without overrides, and the typed options without which it does not compose.

    These are its launcher and sweeper, if it sets keys that only they have, and options of groups that have no default.

    Raises:
        Exception: Hydra's, if it does not compose with them either.
    """
    typed = typed_overrides(config, "hydra")
    plugins = [line for line in typed if line.startswith(("hydra/launcher=", "hydra/sweeper="))]
    for needed in ([], plugins):
        with suppress(Exception):
            return composed(config_loader, config, needed), needed
    options = [line for line in typed_overrides(config, "task") if is_option(config_loader, line)]
    return composed(config_loader, config, [*plugins, *options]), [*plugins, *options]


def is_option(config_loader: ConfigLoader, override: str) -> bool:
    """Return whether `override` chooses an option of a config group."""
    group, is_assignment, _ = override.lstrip("+").partition("=")
    return bool(is_assignment) and is_group(config_loader, group.partition("@")[0])


def is_group(config_loader: ConfigLoader, key: str) -> bool:
    """Return whether `key` is a config group; its options may all be in groups below it."""
    return bool(config_loader.get_group_options(key.lstrip("/"), results_filter=None))


def chosen_options(config: DictConfig, ignored: Sequence[str] = ()) -> dict[str, str]:
    """Return the chosen option of each application group."""
    return {
        group: option for group, option in choices_of(config).items() if option is not None and not is_below(group, ignored)
    }


def sets_other_keys(config_loader: ConfigLoader, group: str, option: str | None) -> bool:
    """Return whether an option of a group (and its package) is merged at the top of the config, so that it sets any key."""
    path = f"{group.partition('@')[0]}/{option}"
    return option is not None and any(
        source.is_config(path) and source.load_config(path).header.get("package") == "_global_"
        for source in config_loader.get_sources()
    )


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
        if isinstance(value, Mapping) and value and all(isinstance(it, str) and "." not in it for it in value):
            leaves |= _flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = _plain(value)
    return leaves


def _plain(value: Any) -> Any:
    """Return a value as YAML has it; a path, which a dataclass may hold, as text."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _timeless(value: Any) -> Any:
    """Return unresolved values in which `${now:...}` is a text and no interpolation."""
    if isinstance(value, Mapping):
        return {key: _timeless(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value.replace("${now:", "\\${now:") if isinstance(value, str) else value
