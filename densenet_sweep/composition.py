"""From overrides to a typed, checked config: where the config files are, and how they are composed without running."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from densenet_sweep import own_sections, unknown_keys
from densenet_sweep.checks import check
from densenet_sweep.config import Config, register
from densenet_sweep.targets import check_targets

__all__ = ["Command", "choices", "compose", "config_folder", "output_dir", "refuse_bad_input", "register", "sweep_dir", "typed"]

VERSION_BASE = "1.3"
CONFIG_NAME = "config"


@dataclass(frozen=True)
class Command:
    """A command line for Hydra that a subcommand stands for.

    Attributes:
        arguments: as they would be typed.
        config_name: of the primary config.
        final: its runs are final ones; see `densenet_sweep.recording.Job`.
    """

    arguments: list[str]
    config_name: str = CONFIG_NAME
    final: bool = False


def config_folder() -> Path:
    """Return the folder of the config files: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def compose(overrides: Sequence[str], *, config_dir: str | None = None, config_name: str = CONFIG_NAME) -> DictConfig:
    """Return the composed job config (without Hydra's own part) for `overrides`; parameters to sweep over are left out.

    Args:
        overrides: in Hydra's grammar.
        config_dir: a further folder of config files, as Hydra's `--config-dir`.
        config_name: of the primary config.

    Raises:
        Exception: Hydra's and OmegaConf's, for an override that does not fit; see `errors.one_line`.
    """
    register()
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    searchpath = [] if config_dir is None else [f"hydra.searchpath=[{quoted(str(Path(config_dir).resolve()))}]"]
    with _beside_a_running_application(), initialize_config_dir(config_dir=str(config_folder()), version_base=VERSION_BASE):
        options_of = GlobalHydra.instance().config_loader().get_group_options
        unknown_keys.refuse_added(
            parsed,
            compose=lambda plain: hydra_compose(config_name, overrides=[*plain, *searchpath]),
            is_group=lambda key: bool(options_of(key)),
        )
        return hydra_compose(config_name, overrides=[*fixed, *searchpath])


def quoted(text: str) -> str:
    """Return `text` as a quoted string of Hydra's grammar."""
    return "'" + text.replace("'", "\\'") + "'"


@contextmanager
def _beside_a_running_application() -> Iterator[None]:
    """Put Hydra's one instance a process aside: an application that runs (a sweep at its end, say) may compose, too."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = running


def typed(job: DictConfig) -> Config:
    """Return `job` as checked dataclasses, all interpolations resolved.

    Raises:
        ConfigError: a value out of range or a combination that cannot run.
    """
    job = copy.deepcopy(job)  # Hydra's own keeps its interpolations: what they give may be a password, and is written nowhere
    with read_write(job), open_dict(job):
        OmegaConf.resolve(job)
        own_sections.give_schemas(job)
    unknown_keys.refuse_outside_schemas(job)
    config = OmegaConf.to_object(job)
    assert isinstance(config, Config), "conf/config.yaml starts from the schema _config"
    check_targets(config)
    check(config)
    return config


def refuse_bad_input(arguments: Sequence[str], config_name: str = CONFIG_NAME) -> None:
    """Compose and check what a Hydra command line asks to run, so that bad input costs no folder, no data and no run.

    Raises:
        Exception: Hydra's, OmegaConf's or ConfigError; see `errors.one_line`.
    """
    asked = get_args_parser().parse_args(list(arguments))
    runs = not (asked.help or asked.hydra_help or asked.cfg or asked.info or asked.shell_completion)
    if runs and asked.config_name is None and asked.config_path is None:
        typed(compose(asked.overrides, config_dir=asked.config_dir, config_name=config_name))


def output_dir(runtime: HydraConf) -> Path:
    """Return the folder that Hydra made for the running job."""
    return Path(runtime.runtime.output_dir)


def sweep_dir(runtime: HydraConf) -> Path:
    """Return the folder of the sweep that the running job belongs to; it need not exist for a single run."""
    return Path(runtime.sweep.dir)


def task_overrides(runtime: HydraConf) -> tuple[str, ...]:
    """Return the overrides of the job as they were typed: `${oc.env:PASSWORD}` stays what it is."""
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
