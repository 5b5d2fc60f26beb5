"""What the subcommands that read finished sweeps take: names of studies, and the same `tracking.key=value` as a run."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from densenet_sweep.config.schema import ConfigError

# A shell replaces no ~ after `key=`, and Hydra's grammar has none in a plain value.
_IN_HOME = re.compile(r"(\+*data\.(?:root|table)=)(~(?:/.*)?)")


# An override of what a model is read with; a file may be called tracking.png.
_OF_A_MODEL = re.compile(r"[+~]*(tracking(\.\w+)*|trusted_targets)=")


def is_of_a_model(word: str) -> bool:
    """Return whether a word beside paths is an override of `tracking` or `trusted_targets`."""
    return _OF_A_MODEL.match(word) is not None


def with_home(words: Sequence[str]) -> list[str]:
    """Return `words` with `~` replaced in the places of data sets."""
    found = [(_IN_HOME.fullmatch(word), word) for word in words]
    return [f"{match[1]}{Path(match[2]).expanduser()}" if match else word for match, word in found]


def separated(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names among `words`, and the overrides."""
    is_override = ["=" in word or word.startswith(("~", "+")) for word in words]
    names = [word for word, override in zip(words, is_override, strict=True) if not override]
    return names, [word for word, override in zip(words, is_override, strict=True) if override]


def names_and_overrides(words: Sequence[str], command: str) -> tuple[list[str], list[str]]:
    """Return the names among `words`, and the overrides; `command` accepts only those of `tracking`.

    Raises:
        ConfigError: another override.
    """
    names, overrides = separated(words)
    for override in overrides:
        if not override.lstrip("+~").startswith("tracking"):
            raise ConfigError(f"{override}: {command} takes names of studies and tracking.key=value")
    return names, overrides


def add_studies(parser: argparse.ArgumentParser, which: str) -> None:
    """Add the argument `studies`, to be split by `names_and_overrides`; `which` says in the help what it names."""
    description = f"{which}; the study used last unless given; tracking.uri=... for those that another MLflow store knows"
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=description)
