"""Restricts files of the group `experiment` to what is trained, because the `config.yaml` of a run can become such a file.

They may not set Hydra's keys, which can call anything, or widen `trusted_targets`; a sweep file, `conf/config.yaml` and the
command line may.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from hydra.core.override_parser.types import ChoiceSweep, Override

from densenet_sweep.config.schema import ConfigError

_GROUP = "experiment"
_PACKAGE = re.compile(r"\s*#\s*@package\s+(\S+)")


def refuse_more(overrides: Sequence[Override], folders: Sequence[Path]) -> None:
    """Refuse chosen experiments whose files set more than what is trained.

    Args:
        overrides: of a command line.
        folders: of config files, besides those that `hydra.searchpath` among the overrides names.

    Raises:
        ConfigError: naming the file and the key.
    """
    searched = [folder for it in overrides if it.key_or_group == "hydra.searchpath" for folder in _searched(it.value())]
    for option in [option for it in overrides if it.key_or_group == _GROUP for option in _options(it)]:
        for folder in [*folders, *searched]:
            path = folder / _GROUP / f"{option}.yaml"
            if path.is_file():
                _check(path)


def _options(override: Override) -> list[str]:
    value = override.value()
    return [str(it) for it in value.list] if isinstance(value, ChoiceSweep) else [str(value)]


def _searched(value: object) -> list[Path]:
    entries = [str(it) for it in value] if isinstance(value, list) else [str(value)]
    return [Path(unquote(urlsplit(it).path) if it.startswith("file:") else it) for it in entries]


def _check(path: Path) -> None:
    for key in _more(path.read_text(encoding="utf-8", errors="replace")):
        raise ConfigError(f"{path}: {key}: an experiment says what is trained; a sweep file or the command line says this")


def _more(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if (package := _PACKAGE.match(line)) and package[1] != "_global_":
            yield f"@package {package[1]}"
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:  # Hydra says where
        return
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == "defaults":
            yield from (str(entry) for entry in value or () if "hydra" in str(entry))
        elif re.match(r"hydra\b|trusted_targets$", str(key)):
            yield str(key)
