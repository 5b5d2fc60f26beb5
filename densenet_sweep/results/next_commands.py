"""Suggested next commands, printed at the end of a sweep and of a confirmation."""

import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.readable import broken, shown_path
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from rich.console import Console

# Overrides that say where runs are recorded; reading them needs no other tracking options.
_WHERE = ("tracking.uri=", "tracking.experiment=", "tracking.artifact_location=")

# Subcommands that build a network, which may be of the user's own.
_BUILDING = ("confirm", "export", "final", "predict", "rerun")

# Purposes are aligned at most here; a longer command has its purpose right behind it.
_WIDTH = 64


def command(*words: str, config: DictConfig | None = None) -> str:
    """Return the command line, with what it needs of a run's or sweep's `config`: where runs are recorded, `--config-dir`."""
    further = [] if config is None else [*_of_tracking(config), *(own_folder(config) if words[0] in _BUILDING else [])]
    return shlex.join(["densenet-sweep", *words, *further])


def own_folder(config: DictConfig) -> list[str]:
    """Return the `--config-dir` of a command, if it had one, as arguments."""
    sources = [it.path for it in config.hydra.runtime.config_sources if it.provider == "command-line"]
    return ["--config-dir", str(shown_path(Path(sources[0])))] if sources else []


def show(console: "Console", lines: Sequence[tuple[str, str]]) -> None:
    """Print commands and their purposes, if there are any."""
    if not lines:
        return
    console.print("\nNext:", style="bold")
    width = max((len(typed) for typed, _ in lines if len(typed) <= _WIDTH), default=0)
    shown = [f"  {typed:<{width}}  # {purpose}" for typed, purpose in lines]
    if console.is_terminal and any(len(line) > console.width for line in shown):  # purposes stand above their commands
        commands = [broken(shlex.split(typed), console.width - 2) for typed, _ in lines]
        shown = [textwrap.indent(f"# {it[1]}\n{typed}", "  ") for it, typed in zip(lines, commands, strict=True)]
    for line in shown:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _of_tracking(config: DictConfig) -> list[str]:
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    return [text for text in typed if text.startswith(_WHERE)]
