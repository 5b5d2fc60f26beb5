"""Overrides of keys that are true or false: OmegaConf would take any number, and words such as `on`, for one of the two."""

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.config.schema import ConfigError

# The words that OmegaConf takes for a boolean.
_WORDS = ("y", "yes", "on", "n", "no", "off", "0", "1")


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
            if isinstance(OmegaConf.select(composed, override.key_or_group), bool):
                raise ConfigError(f"{override.key_or_group}={value}: true or false is accepted")


def _values(override: Override) -> list[Any]:
    """Return the values of an override that are not true or false, and that OmegaConf would make one of them."""
    if override.is_delete() or override.package is not None:
        return []
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    plain = [it.text if isinstance(it, QuotedString) else it for it in values]
    return [
        it
        for it in plain
        if (isinstance(it, int) and not isinstance(it, bool)) or (isinstance(it, str) and it.lower() in _WORDS)
    ]
