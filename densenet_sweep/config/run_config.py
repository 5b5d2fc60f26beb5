"""The config of a run as a file that reproduces the training: `config.yaml`, an option of the group `experiment`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml
from hydra_async_sweeper.application import override_text

from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.schema import Config, ConfigError
from densenet_sweep.config.targets import is_ours

# The groups whose options decide which keys exist.
GROUPS = ("architecture", "optimizer", "schedule", "loss", "data")

# Those that a run of an earlier version lacks: its options are then the default ones.
_LATER_GROUPS = {"loss"}

# Keys that may depend on the machine; see `machine_keys`.
OF_THE_MACHINE = ("data.root", "data.download", "data.on_device")

# Sections that do not affect what is trained, may hold a password, or are only the user's to set.
WHERE_IT_IS_WRITTEN = ("tracking", "storage", "trusted_targets", "reference")

_SAYS_WHAT_IS_TRAINED = {it.name for it in fields(Config)} - set(WHERE_IT_IS_WRITTEN)

# Beginnings of the keys that may change when a run continues.
_MAY_CHANGE = (
    *("tracking.", "storage.", "limits.", "rungs", "rung_scale", "specificity", "trusted_targets", "reference."),
    *("device", "num_threads", "data.table", *OF_THE_MACHINE, "architecture.num_classes"),
)

# Patterns of an option and of a key, and the keys that name a function.
_OPTION = re.compile(r"\w[\w-]*(/\w[\w-]*)*")
_KEY = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")
_TARGETS = tuple(f"{group}._target_" for group in GROUPS)


def shown(config: Config) -> dict[str, Any]:
    """Return the part of `config` that defines the training, as nested plain values; of functions only a user's own."""

    def of_section(section: Mapping[str, Any], name: str) -> dict[str, Any]:
        return {
            key: of_section(value, name) if isinstance(value, Mapping) else value
            for key, value in section.items()
            if not key.startswith("_") or (key == "_target_" and not is_ours(name, str(value)))
        }

    return {
        key: of_section(value, key) if isinstance(value, Mapping) else value
        for key, value in asdict(config).items()
        if key not in WHERE_IT_IS_WRITTEN
    }


def flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested `section` under their override paths, such as `optimizer.lr`; lists are leaves."""
    leaves: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def fingerprint(config: Config, *, is_final: bool) -> str:
    """Return, as JSON, the settings that a continued run must keep; tracking, storage, limits and the like may change."""
    leaves = {**flat(asdict(config)), "final": is_final}
    return json.dumps({key: value for key, value in leaves.items() if not key.startswith(_MAY_CHANGE)}, sort_keys=True)


def text(options: Mapping[str, str], values: Mapping[str, Any], comment: str = "") -> str:
    """Return the option file that chooses `options` of the groups and sets the nested `values`."""
    lines = [
        "# @package _global_",
        *(f"# {line}".rstrip() for line in comment.splitlines()),
        "defaults:",
        *(f"  - override /{group}: {options[group]}" for group in GROUPS if group in options),
    ]
    return "\n".join(lines) + f"\n\n{yaml.safe_dump(dict(values), sort_keys=False)}"


def read(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options of the groups and the values, nested, that `text` gave.

    Anyone with write access to a run's folder can change this file, and its values become overrides. So it may define the
    training and nothing else: no key of Hydra's, no interpolation, no function.

    Raises:
        ConfigError: the file is something else, or contains more.
        OSError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = {key.removeprefix("override /"): option for entry in content.pop("defaults") for key, option in entry.items()}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        entries, content = {}, {}
    groups = set(GROUPS) - (_LATER_GROUPS - set(entries))
    if set(entries) != groups or not all(isinstance(content.get(group), Mapping) for group in groups):
        raise ConfigError(f"{path}: is not the config.yaml of a run of this project")
    for group, option in entries.items():
        if not isinstance(option, str) or not _OPTION.fullmatch(option):
            raise ConfigError(f"{path}: {group}={option}: the name of an option is accepted")
    for key, value in _leaves(content, ""):
        if key.partition(".")[0] not in _SAYS_WHAT_IS_TRAINED:
            raise ConfigError(f"{path}: {key}: what a run has left may say what is trained, and nothing else")
        if not (_KEY.fullmatch(key) or key in _TARGETS):
            raise ConfigError(f"{path}: {key}: is not a key of a run's config")
        if isinstance(value, str) and "${" in value:
            raise ConfigError(f"{path}: {key}={value}: a value is accepted, and no interpolation")
    return entries, content


def foreign_targets(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the functions in nested `values` that are not ours, by key; only the user may call them."""
    named = {key: str(value) for key, value in flat(values).items() if key in _TARGETS}
    return {key: target for key, target in named.items() if not is_ours(key.partition(".")[0], target)}


def machine_keys(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that depend on the machine, not on the run, by the section `data` of `shown`.

    Of a named data set, which can be had anywhere, `data.root` is one of them. Nothing but `data.root` says where other
    images are: those have a section with keys of its own, or a function of the user's.
    """
    is_named = not data.keys() - {it.name for it in fields(DataConfig) if it.name != "_target_"}
    return OF_THE_MACHINE if is_named else tuple(key for key in OF_THE_MACHINE if key != "data.root")


def overrides(options: Mapping[str, str], values: Mapping[str, Any], *, ignored: Sequence[str] = ()) -> list[str]:
    """Return the overrides that choose `options` of the groups and set the nested `values`, except the keys `ignored`.

    Functions that are not ours are left out.
    """
    left_out = {*ignored, *foreign_targets(values)}
    leaves = (f"{key}={override_text(value)}" for key, value in flat(values).items() if key not in left_out)
    return [*(f"{group}={override_text(options[group])}" for group in GROUPS if group in options), *leaves]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the keys of nested `value`, including those in lists, each with its leaf, or None if it holds no leaf."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
        if not value:
            yield path, None
    elif isinstance(value, list | tuple):
        yield path, None
        for item in value:
            yield from _leaves(item, path)
    else:
        yield path, value
