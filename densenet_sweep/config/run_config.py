"""The config of a run as a file that trains the same again: `config.yaml`, an option of the group `experiment`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from densenet_sweep.config.schema import Config, ConfigError

# The groups whose options decide which keys there are.
GROUPS = ("architecture", "optimizer", "schedule", "data")

# What is the machine's and not the run's.
OF_THE_MACHINE = ("data.root", "data.download")

# What Hydra takes for something else than a text.
_NO_WORDS = ("true", "false", "null", "nan", "inf")

# What says nothing of what is trained, may hold a password, or is the user's to grant.
WHERE_IT_IS_WRITTEN = ("tracking", "storage", "trusted_targets", "reference")


def shown(config: Config) -> dict[str, Any]:
    """Return what says what is trained, as nested plain values."""

    def without_targets(section: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: without_targets(value) if isinstance(value, Mapping) else value
            for key, value in section.items()
            if key != "_target_"
        }

    return {key: value for key, value in without_targets(asdict(config)).items() if key not in WHERE_IT_IS_WRITTEN}


def flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested `section` under their override paths, such as `optimizer.lr`; lists are leaves."""
    leaves: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def write(path: Path, config: Config, choices: Mapping[str, str]) -> None:
    """Write `config` as an option file of the group `experiment`, complete, so that it trains the same again anywhere.

    Raises:
        OSError: the folder cannot be written.
    """
    lines = [
        "# @package _global_",
        "defaults:",
        *(f"  - override /{group}: {choices[group]}" for group in GROUPS if group in choices),
    ]
    body = yaml.safe_dump(shown(config), sort_keys=False)
    path.write_text("\n".join(lines) + f"\n\n{body}", encoding="utf-8")


def read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options of the groups and the values, nested, that `write` wrote.

    Raises:
        ConfigError: the file is something else.
        OSError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = {key.removeprefix("override /"): option for entry in content.pop("defaults") for key, option in entry.items()}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        entries, content = {}, {}
    if set(entries) != set(GROUPS) or not set(GROUPS) <= set(content):
        raise ConfigError(f"{path}: is not the config.yaml of a run of this project")
    return entries, content


def as_overrides(path: Path, *, ignored: Sequence[str] = ()) -> list[str]:
    """Return the overrides that give what `write` wrote, but for the keys `ignored`.

    Raises:
        ConfigError, OSError: as `read`.
    """
    return overrides(*read(path), ignored=ignored)


def overrides(options: Mapping[str, str], values: Mapping[str, Any], *, ignored: Sequence[str] = ()) -> list[str]:
    """Return the overrides that choose `options` of the groups and set the nested `values`, but for the keys `ignored`."""
    leaves = (f"{key}={_typed(value)}" for key, value in flat(values).items() if key not in ignored)
    return [*(f"{group}={options[group]}" for group in GROUPS if group in options), *leaves]


def _typed(value: Any) -> str:
    """Return `value` in Hydra's grammar: JSON's for numbers, texts and lists of them, where a plain word would not do."""
    is_word = isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w*", value) and value.lower() not in _NO_WORDS
    return str(value) if is_word else json.dumps(value)
