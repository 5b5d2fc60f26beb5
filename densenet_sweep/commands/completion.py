"""Shell completion after a subcommand. Hydra's own knows no subcommands, and would print an error into the line."""

import importlib
import os
from collections.abc import Collection, Sequence

from densenet_sweep.config.command_line import Parser

# Subcommands that take the name of a study, and those that take overrides of a run.
_OF_A_STUDY = ("clean", "compare", "confirm", "export", "predict", "status", "ui")
_OF_A_RUN = ("confirm", "describe", "final", "rerun")


def is_completion(arguments: Sequence[str]) -> bool:
    """Return whether a shell requests completions for the line in `$COMP_LINE`."""
    return bool({"-sc", "--shell-completion"} & set(arguments)) and any(word.startswith("query=") for word in arguments)


def own_words(subcommands: Collection[str]) -> list[str]:
    """Return the subcommands, options or studies that complete the line, and leave in `$COMP_LINE` what Hydra completes."""
    program, *typed = os.environ.get("COMP_LINE", "").split(" ")
    *before, current = [word for word in typed[:-1] if word] + typed[-1:] or [""]
    if not before:
        return sorted(word for word in subcommands if word.startswith(current))
    if before[0] not in subcommands:
        return []
    overrides = [word for word in before[1:] if "=" in word] if before[0] in _OF_A_RUN else []
    is_name = before[0] in _OF_A_STUDY and "=" not in current
    hydras = before[0] in _OF_A_RUN and not current.startswith("-")
    # Nothing is called `=`, so Hydra completes nothing.
    os.environ["COMP_LINE"] = " ".join([program, *overrides, current if hydras else "="])
    if current.startswith("-"):
        return _options(before[0], current)
    return _studies(current) if is_name else []


def _options(subcommand: str, beginning: str) -> list[str]:
    module = importlib.import_module(f"densenet_sweep.commands.{subcommand}")
    if not hasattr(module, "parser"):  # `final` has Hydra's options
        return []
    parser: Parser = module.parser()
    return sorted(option for option in parser.options if option.startswith(beginning))


def _studies(beginning: str) -> list[str]:
    from densenet_sweep.results import studies

    return sorted({study.name for study in studies.found() if study.name.startswith(beginning)})
