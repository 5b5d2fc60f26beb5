"""Keys that are true or false: OmegaConf would take any number, and words such as `on`, for one of the two."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.config.schema import ConfigError

# The words that OmegaConf takes for a boolean.
_WORDS = ("y", "yes", "on", "n", "no", "off", "0", "1")


def refuse_others_in_files(files: Mapping[str, DictConfig], composed: DictConfig) -> None:
    """Refuse numbers and texts for true and false in option files; YAML itself reads the words `on` and `yes` as true.

    Args:
        files: what they set in the config, as it is written, by their paths.
        composed: the config that they give.

    Raises:
        ConfigError: naming the file, the key and the value.
    """
    for path, file in files.items():
        for key, value in _leaves(OmegaConf.to_container(file, resolve=False), ""):
            if _is_taken_for_boolean(value) and _is_boolean(composed, key):
                raise ConfigError(f"{path}: {key}={value}: true or false is accepted")


def refuse_others(overrides: Sequence[Override], composed: DictConfig) -> None:
    """Refuse numbers and words for true and false, also among the values of a sweep.

    Args:
        overrides: of a command line.
        composed: the config that they give, or the part without the sweep.

    Raises:
        ConfigError: naming the key and the value.
    """
    for override in overrides:
        for value in _values(override):
            if _is_boolean(composed, override.key_or_group):
                raise ConfigError(f"{override.key_or_group}={value}: true or false is accepted")


def _values(override: Override) -> list[Any]:
    """Return the values of an override that are not true or false, and that OmegaConf would make one of them."""
    if override.is_delete() or override.package is not None:
        return []
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    plain = [it.text if isinstance(it, QuotedString) else it for it in values]
    return [it for it in plain if _is_taken_for_boolean(it)]


def _is_taken_for_boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in _WORDS
    return isinstance(value, int) and not isinstance(value, bool)


def _is_boolean(composed: DictConfig, key: str) -> bool:
    return isinstance(OmegaConf.select(composed, key, throw_on_resolution_failure=False), bool)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
