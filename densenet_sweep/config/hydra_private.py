"""The private parts of Hydra that we need (1.3.2 to 1.3.8)."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Override


def command_line_parser() -> ArgumentParser:
    """Return Hydra's own command line parser, so that the checks before Hydra starts read what Hydra will read."""
    return get_args_parser()


def is_grid(sweeper_target: str) -> bool:
    """Return whether `hydra.sweeper._target_` is Hydra's own sweeper, which runs every combination."""
    return sweeper_target.endswith(f".{BasicSweeper.__name__}")


def grid(overrides: Sequence[Override]) -> Iterator[Sequence[str]]:
    """Yield the overrides of each job of a grid, as Hydra's own sweeper splits them."""
    yield from BasicSweeper.split_arguments(list(overrides), None)[0]


def hide_private_options() -> None:
    """Hide options whose names begin with `_` from `--help` and shell completion.

    They are schemas and bases of other option files. Hydra 1.3 and 1.4 have no setting for it.
    """
    if getattr(ConfigLoaderImpl.get_group_options, "hides_private", False):
        return
    listed = ConfigLoaderImpl.get_group_options

    def public_options(self: ConfigLoaderImpl, *arguments: Any, **options: Any) -> list[str]:
        return [name for name in listed(self, *arguments, **options) if not name.startswith("_")]

    public_options.hides_private = True  # type: ignore[attr-defined]
    ConfigLoaderImpl.get_group_options = public_options  # type: ignore[method-assign]
