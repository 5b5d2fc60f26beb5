"""From overrides to a typed, checked config: where the config files are, and how they are composed without running."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.conf import HydraConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra_async_sweeper.application import refuse_written
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from densenet_sweep.config import booleans, experiments, own_sections, unknown_keys
from densenet_sweep.config.checks import check
from densenet_sweep.config.hydra_private import VERSION_BASE, loaded_files
from densenet_sweep.config.option_files import config_folder
from densenet_sweep.config.schema import Config, ConfigError, register
from densenet_sweep.config.targets import check_targets
from densenet_sweep.config.tracking_uri import advice

__all__ = [
    "VERSION_BASE",
    "Command",
    "choices",
    "compose",
    "config_folder",
    "output_dir",
    "register",
    "sweep_dir",
    "trial_subdir",
    "typed",
]

CONFIG_NAME = "config"


@dataclass(frozen=True)
class Command:
    """A command line for Hydra that a subcommand stands for.

    Attributes:
        arguments: as they would be typed.
        config_name: of the primary config.
        final: its runs are final ones; see `densenet_sweep.run.recording.Job`.
        says: printed once its config has been checked.
    """

    arguments: list[str]
    config_name: str = CONFIG_NAME
    final: bool = False
    says: str = ""


def compose(overrides: Sequence[str], *, config_dir: str | None = None, config_name: str = CONFIG_NAME) -> DictConfig:
    """Return the composed job config (without Hydra's own part) for `overrides`; parameters to sweep over are left out.

    Args:
        overrides: in Hydra's grammar.
        config_dir: a further folder of config files, as Hydra's `--config-dir`.
        config_name: of the primary config.

    Raises:
        Exception: Hydra's and OmegaConf's, for an override that does not fit; see `errors.one_line`.
    """
    refuse_typed_passwords(overrides)  # first: an error about a malformed override shows it
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    refuse_code_in_experiments(parsed, config_dir)
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    with config_loader(config_dir) as (loader, searchpath):
        unknown_keys.refuse_added_and_removed(
            parsed,
            compose=lambda plain: hydra_compose(config_name, overrides=[*plain, *searchpath]),
            is_group=lambda key: bool(loader.get_group_options(key)),
        )
        with loaded_files() as files:
            job = hydra_compose(config_name, overrides=[*fixed, *searchpath])
    booleans.refuse_others(parsed, job)
    booleans.refuse_others_in_files(files, job)
    refuse_written(OmegaConf.to_container(job, resolve=False), advice=advice)
    return job


def refuse_code_in_experiments(overrides: Sequence[Override], config_dir: str | None) -> None:
    """Refuse chosen experiments that set more than what is trained; `config_dir` is as for `compose`.

    Raises:
        ConfigError: naming the file and the key.
    """
    experiments.refuse_more(overrides, [*([] if config_dir is None else [Path(config_dir)]), config_folder()])


def refuse_typed_passwords(overrides: Sequence[str]) -> None:
    """Refuse overrides that hold a password: they stand in the shell's history and in Hydra's files.

    Raises:
        SweepError: naming the key; the message does not show the password.
    """
    for override in overrides:
        key, _, value = override.partition("=")
        refuse_written(value, key.lstrip("+"), advice)


def quoted(text: str) -> str:
    """Return `text` as a quoted string of Hydra's grammar."""
    return QuotedString(text, Quote.single).with_quotes()


@contextmanager
def config_loader(config_dir: str | None = None) -> Iterator[tuple[ConfigLoader, list[str]]]:
    """Provide Hydra's loader of our config files, and the overrides that make it look into `config_dir`, too.

    Raises:
        ConfigError: there is no such folder.
    """
    register()
    searchpath = []
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise ConfigError(f"--config-dir={config_dir}: no such folder")
        searchpath = [f"hydra.searchpath=[{quoted(str(Path(config_dir).resolve()))}]"]
    with _beside_a_running_application(), initialize_config_dir(config_dir=str(config_folder()), **VERSION_BASE):
        yield GlobalHydra.instance().config_loader(), searchpath


@contextmanager
def _beside_a_running_application() -> Iterator[None]:
    """Set Hydra's global instance aside, so that a running application (a sweep at its end, say) can compose."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = running


def typed(job: DictConfig) -> Config:
    """Return `job` as checked dataclasses, all interpolations resolved.

    Raises:
        ConfigError: a value is missing or out of range, or a combination cannot run.
    """
    job = copy.deepcopy(job)  # Hydra's own keeps its interpolations: a resolved one may be a password, which is never written
    with read_write(job), open_dict(job):
        try:
            OmegaConf.resolve(job)
        except OmegaConfBaseException:
            OmegaConf.to_container(job, resolve=True)  # raises the same error, with the key
            raise
        own_sections.give_schemas(job)
    unknown_keys.refuse_outside_schemas(job)
    missing = sorted(OmegaConf.missing_keys(job), key=lambda key: key.count("."))
    config = None if missing else OmegaConf.to_object(job)
    for key in [*missing, *_without_value(config)]:
        raise ConfigError(f"{key}: has no value, and needs one")
    assert isinstance(config, Config), "conf/config.yaml starts from the schema _config"
    check_targets(config)
    check(config)
    config.objective = config.objectives[0] if isinstance(config.objective, str) else config.objectives
    return config


def _without_value(config: object, prefix: str = "") -> Iterator[str]:
    """Yield the keys that an override such as `~epochs` has removed, for which OmegaConf puts `???` into the object."""
    if is_dataclass(config):
        for field in fields(config):
            value = getattr(config, field.name)
            if value == MISSING:
                yield f"{prefix}{field.name}"
            else:
                yield from _without_value(value, f"{prefix}{field.name}.")


def output_dir(runtime: HydraConf) -> Path:
    """Return the folder that Hydra made for the running job."""
    return Path(runtime.runtime.output_dir)


def sweep_dir(runtime: HydraConf) -> Path:
    """Return the folder of the sweep that the running job belongs to; it need not exist for a single run."""
    return Path(runtime.sweep.dir)


def trial_subdir(config: DictConfig) -> str:
    """Return `hydra.sweep.subdir` of the config of a sweep, which names the folder of each trial, as it is written."""
    written: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    return str(written["subdir"])


def own_config_folders(runtime: HydraConf) -> list[Path]:
    """Return the folder of `--config-dir`, if it was given."""
    return [Path(it.path) for it in runtime.runtime.config_sources if it.provider == "command-line"]


def task_overrides(runtime: HydraConf) -> tuple[str, ...]:
    """Return the overrides of the job as they were typed: `${oc.env:PASSWORD}` stays as it is."""
    typed_overrides = OmegaConf.to_container(runtime.overrides.task, resolve=False)
    assert isinstance(typed_overrides, list)
    return tuple(typed_overrides)


def choices(runtime: HydraConf) -> dict[str, str]:
    """Return the option chosen in each of our config groups, such as `{"optimizer": "sgd"}`."""
    return {
        group: option
        for group, option in runtime.runtime.choices.items()
        if option is not None and not group.startswith("hydra/")
    }
