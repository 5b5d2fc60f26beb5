"""Keys that nothing reads, and keys that everything needs: Hydra lets `+key=value` add any, and `~key` remove any.

A run that ignored an added key would not be the requested one.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.config.errors import unknown_key
from densenet_sweep.config.schema import ConfigError


def refuse_outside_schemas(job: DictConfig) -> None:
    """Refuse keys that are not in the schema of their section, at any depth.

    Raises:
        ConfigError: naming the key, the nearest one and what its section accepts.
    """
    for section, key, accepted in _outside_schemas(job, ""):
        raise ConfigError(unknown_key(section, key, accepted))


def refuse_added_and_removed(
    overrides: Sequence[Override], compose: Callable[[list[str]], DictConfig], is_group: Callable[[str], bool]
) -> None:
    """Refuse to add keys that the config does not have (`+`, `++`), and to remove (`~`) those that it does not have or needs.

    A user's own section has no schema; its option file defines its keys.

    Args:
        overrides: of a command line.
        compose: returns the config that overrides give.
        is_group: returns whether a key is a config group, whose options may be added and removed.

    Raises:
        ConfigError: naming the key; one that does not exist with the nearest one and what its section accepts.
    """
    changed = [it for it in overrides if it.is_delete() or ((it.is_add() or it.is_force_add()) and not it.is_hydra_override())]
    changed = [it for it in changed if it.package is None and not is_group(it.key_or_group)]
    if not changed:
        return
    plain = compose([str(it.input_line) for it in overrides if it not in changed and not it.is_sweep_override()])
    for override in changed:
        key = override.key_or_group
        if key.partition(".")[0] == "hydra" and "hydra" not in plain:  # a job's config
            continue
        section = _section_of(key, plain)
        if override.is_delete() and dataclasses.is_dataclass(OmegaConf.get_type(section)):
            raise ConfigError(f"~{key}: cannot be removed, as it needs a value")


def _section_of(name: str, config: DictConfig) -> DictConfig:
    """Return the section that holds the key `name`.

    Raises:
        ConfigError: there is no such key.
    """
    section, node, path = config, config, ""
    for key in name.split("."):
        if not OmegaConf.is_dict(node) or key not in node:
            raise ConfigError(unknown_key(path, key, _accepted(node) if OmegaConf.is_dict(node) else []))
        section, path = node, f"{path}.{key}" if path else key
        node = OmegaConf.select(node, key, throw_on_resolution_failure=False)
    return section


def _outside_schemas(section: DictConfig, path: str) -> Iterator[tuple[str, str, list[str]]]:
    schema = OmegaConf.get_type(section)
    known = {it.name for it in dataclasses.fields(schema)} if dataclasses.is_dataclass(schema) else None
    for key in section:
        name = str(key)
        if known is not None and name not in known:
            yield path, name, _accepted(section)
        elif not OmegaConf.is_missing(section, key) and OmegaConf.is_dict(section[key]):
            yield from _outside_schemas(section[key], f"{path}.{name}" if path else name)


def _accepted(section: DictConfig) -> list[str]:
    schema = OmegaConf.get_type(section)
    names = (
        [it.name for it in dataclasses.fields(schema)] if dataclasses.is_dataclass(schema) else [str(key) for key in section]
    )
    return [name for name in names if not name.startswith("_")]
