"""The private parts of Hydra that we need (1.3.2 to 1.3.8, and 1.4), and what the two lines do differently."""

import copy
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import EllipsisType
from typing import Any, NoReturn

import hydra
import hydra.utils
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.config.command_line import in_one_line

# Hydra 1.4 has no choice of behaviour any more, and deprecates the argument.
VERSION_BASE: Mapping[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}

# OmegaConf 2.4 gives `register_new_resolver` the name that an older function has in 2.3.
register_resolver = getattr(OmegaConf, "register_new_resolver" if VERSION_BASE else "register_resolver")


def allowed_at_a_call(targets: Sequence[str]) -> Mapping[str, Any]:
    """Return the argument of `instantiate` that admits these targets alone; Hydra 1.3 has none.

    Args:
        targets: full names, or modules such as `my_package.*`.
    """
    if VERSION_BASE:
        return {}
    return {"_execution_whitelist_": vars(hydra.utils)["execution_whitelist"](list(targets), reset=True)}


def allowed_in_hydra(targets: Sequence[str] | None) -> Mapping[str, Any]:
    """Return the argument of `hydra.main` that admits these targets in Hydra's own section; Hydra 1.3 has none.

    Args:
        targets: as in `allowed_at_a_call`; None: any, which Hydra 1.4 warns about.
    """
    return {} if VERSION_BASE else {"execution_whitelist": targets}


@contextmanager
def started(*, is_multirun: bool, mode: RunMode | EllipsisType | None = ...) -> Iterator[None]:
    """Have Hydra start as the early checks have found out.

    `sys.argv` stays what was typed, which the engine prints and records.

    Args:
        is_multirun: its command line parser reads `--multirun` although it was not typed.
        mode: the composed `hydra.mode`, which Hydra 1.3 composes the whole config once more to learn; ...: not known.
    """
    module = sys.modules["hydra.main"]  # the attribute hydra.main is the decorator
    get_mode = Hydra.get_mode

    def parser() -> ArgumentParser:
        arguments = get_args_parser()
        arguments.set_defaults(multirun=is_multirun)
        return arguments

    module.get_args_parser = parser  # type: ignore[attr-defined]
    if VERSION_BASE and mode is not ...:
        Hydra.get_mode = lambda *_, **__: mode  # type: ignore[method-assign]
    try:
        yield
    finally:
        module.get_args_parser = get_args_parser  # type: ignore[attr-defined]
        Hydra.get_mode = get_mode  # type: ignore[method-assign]


def command_line_parser() -> ArgumentParser:
    """Return Hydra's own command line parser, so that the checks before Hydra starts read what Hydra will read."""
    arguments = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise ValueError(in_one_line(message, "densenet-sweep"))

    arguments.error = refuse  # type: ignore[method-assign]
    arguments.allow_abbrev = False  # --experiment=NAME, meant as an override, is --experimental-rerun otherwise
    return arguments


def is_grid(sweeper_target: str) -> bool:
    """Return whether `hydra.sweeper._target_` is Hydra's own sweeper, which runs every combination."""
    return sweeper_target.endswith(f".{BasicSweeper.__name__}")


def grid(overrides: Sequence[Override]) -> Iterator[Sequence[str]]:
    """Yield the overrides of each job of a grid, as Hydra's own sweeper splits them."""
    yield from BasicSweeper.split_arguments(list(overrides), None)[0]


def share_registered_configs() -> None:
    """Spare each composition a copy of all registered configs, a fifth of its time.

    Hydra 1.3 copies its list of sources for every composition, and with it the store of registered configs, which copies what
    it hands out anyway. The sources of 1.4 hold no store.
    """
    if not VERSION_BASE or getattr(CachingConfigRepository.__init__, "shares_the_store", False):
        return

    def begin(self: CachingConfigRepository, delegate: IConfigRepository) -> None:
        store = ConfigStore.instance()
        self.delegate = copy.deepcopy(delegate, {id(store): store})
        self.cache = {}

    begin.shares_the_store = True  # type: ignore[attr-defined]
    CachingConfigRepository.__init__ = begin  # type: ignore[method-assign]


@contextmanager
def loaded_files() -> Iterator[dict[str, DictConfig]]:
    """Collect the content of each option file that is composed meanwhile, by its path in its folder of config files.

    Each is at its place in the config, as it is written: merged into a schema, `2` is already `true`.
    """
    files: dict[str, DictConfig] = {}
    load = ConfigLoaderImpl._load_single_config

    def load_and_collect(self: ConfigLoaderImpl, default: ResultDefault, *arguments: Any, **options: Any) -> ConfigResult:
        loaded = load(self, default, *arguments, **options)
        if not loaded.is_schema_source and isinstance(loaded.config, DictConfig):
            files[f"{default.config_path}.yaml"] = loaded.config
        return loaded

    ConfigLoaderImpl._load_single_config = load_and_collect  # type: ignore[method-assign]
    try:
        yield files
    finally:
        ConfigLoaderImpl._load_single_config = load  # type: ignore[method-assign]


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
