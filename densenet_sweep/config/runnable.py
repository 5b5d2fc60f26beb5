"""Early checks: every job is composed and checked before a folder is made, data is read or torch is imported."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hydra_async_sweeper.application import Composer, flat_job_config, refuse_written
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from densenet_sweep.config import booleans, capacity, composition, unknown_keys
from densenet_sweep.config.finetuning import check_file
from densenet_sweep.config.hydra_private import command_line_parser, grid, is_grid, loaded_files
from densenet_sweep.config.metrics import direction_of
from densenet_sweep.config.schema import ConfigError
from densenet_sweep.config.targets import admitted, in_hydra
from densenet_sweep.config.tracking_uri import advice

_OUR_SWEEPER = "hydra_plugins.hydra_async_sweeper.sweeper.AsyncOptunaSweeper"

# Launchers whose jobs run on the launching machine: Hydra's, ours and submitit's, joblib's.
_LAUNCHERS_HERE = (".BasicLauncher", ".LocalLauncher", ".JoblibLauncher")

# Pruners that compare trials by how far they have got after a step, which says nothing where steps are folds.
_BY_PROGRESS = (
    *("MedianPruner", "PercentilePruner", "PatientPruner", "SuccessiveHalvingPruner", "HyperbandPruner"),
    *("PromotionPruner", "BestSharePruner", "TopKAfterOneEpochPruner"),
)


@dataclass(frozen=True)
class Start:
    """How Hydra starts for a command line.

    Attributes:
        is_multirun: as a sweep, although neither `--multirun` nor a mode was typed: a sweep file is chosen.
        is_search: as a sweep of our sweeper, typed or implied.
        mode: `hydra.mode` of the composed config; ... where the config is not ours.
        targets: what Hydra may call by name; None where the config is not ours.
        direction: of the objective, where a search without a sweep file does not state it; the engine's default is to minimize.
    """

    is_multirun: bool = False
    is_search: bool = False
    mode: RunMode | EllipsisType | None = ...
    targets: tuple[str, ...] | None = None
    direction: str | None = None


def checked(arguments: Sequence[str], config_name: str = composition.CONFIG_NAME) -> Start:
    """Compose and check each job of a command line; a sweep checks its own, through `callbacks.check_trials`.

    Raises:
        Exception: Hydra's, OmegaConf's or ConfigError; see `errors.one_line`.
    """
    parsed = command_line_parser().parse_args(list(arguments))
    if parsed.help or parsed.hydra_help or parsed.cfg or parsed.info or parsed.shell_completion:
        return Start()
    is_decided = parsed.run or parsed.multirun
    if parsed.config_name is not None or parsed.config_path is not None:  # not our config
        return Start(is_multirun=not is_decided and any(it.startswith("sweep=") for it in parsed.overrides))
    composition.refuse_typed_passwords(parsed.overrides)
    composition.refuse_code_in_experiments(OverridesParser.create().parse_overrides(parsed.overrides), parsed.config_dir)
    with composition.config_loader(parsed.config_dir) as (loader, searchpath):
        overrides = [*parsed.overrides, *searchpath]
        master = _master(loader, config_name, overrides)
        is_multirun = parsed.multirun or (not parsed.run and _is_sweep(master))
        for job in _jobs(loader, master, is_multirun=is_multirun):
            check_job(job)
    is_search = is_multirun and str(master.hydra.sweeper._target_) == _OUR_SWEEPER
    named = in_hydra(OmegaConf.to_container(master.hydra, resolve=False))
    return Start(
        is_multirun=is_multirun and not is_decided,
        is_search=is_search,
        mode=master.hydra.mode,
        targets=(*admitted(master.trusted_targets), *named),
        direction=_direction(master, overrides) if is_search and config_name == composition.CONFIG_NAME else None,
    )


def _direction(master: DictConfig, typed: Sequence[str]) -> str | None:
    """Return the direction of the objective if it is not what the sweeper has, as an override's value.

    Raises:
        ConfigError: the other one was typed.
    """
    names = [master.objective] if isinstance(master.objective, str) else list(master.objective)
    wanted = [direction_of(str(name)) for name in names]
    sweeper: Any = master.hydra.sweeper
    stated = [sweeper.direction] if isinstance(sweeper.direction, str) else list(sweeper.direction or ())
    if wanted == stated:
        return None
    value = wanted[0] if len(wanted) == 1 else f"[{','.join(wanted)}]"
    if any(it.lstrip("+").startswith("hydra.sweeper.direction=") for it in typed):
        if not stated or not {"minimize", "maximize"}.issuperset(stated):
            return None  # the engine says what is accepted
        raise ConfigError(f"hydra.sweeper.direction={sweeper.direction}: {value} is accepted with objective={master.objective}")
    return value


def check_job(job: DictConfig) -> None:
    """Check a composed job, and remove its section `hydra`.

    Raises:
        ConfigError: it cannot run, or not on this machine if it is meant to run here.
    """
    is_trial = job.hydra.mode == RunMode.MULTIRUN
    is_here = not is_trial or str(job.hydra.launcher._target_).endswith(_LAUNCHERS_HERE)
    pruner = str(OmegaConf.select(job, "hydra.sweeper.pruner._target_") or "").rpartition(".")[2]
    with read_write(job), open_dict(job):
        del job["hydra"]
    config = composition.typed(job)
    if is_trial and config.data.folds is not None and pruner in _BY_PROGRESS:
        raise ConfigError(
            f"hydra/sweeper/pruner: wilcoxon or none is accepted beside data.folds={config.data.folds}, whose steps are "
            f"folds; to {pruner} a step is the progress of one training"
        )
    if is_here:
        check_file(config.architecture)
        capacity.check_device(config.device)
        if not (is_trial and config.limits.is_set):  # a trial that exceeds a limit is not an error; it is not run
            capacity.check_fits(config)


def _is_sweep(master: DictConfig) -> bool:
    """Return whether a composed config starts a sweep by itself: a mode says so, or there is none and a sweep file is chosen.

    Hydra 1.4 takes a mode from the command line and the primary config alone, 1.3 from any file.
    """
    mode = master.hydra.mode
    return bool(mode == RunMode.MULTIRUN or (mode is None and master.hydra.runtime.choices.get("sweep") is not None))


def _master(loader: ConfigLoader, config_name: str, overrides: list[str]) -> DictConfig:
    def compose(plain: list[str]) -> DictConfig:
        return loader.load_configuration(config_name, plain, RunMode.MULTIRUN, validate_sweep_overrides=False)

    parser = OverridesParser.create(config_loader=loader)
    parsed = parser.parse_overrides(overrides)
    unknown_keys.refuse_added_and_removed(parsed, compose, lambda key: bool(loader.get_group_options(key)))
    with loaded_files() as files:
        master = compose(overrides)
    booleans.refuse_others(parsed, master)
    booleans.refuse_others_in_files(files, master)
    refuse_written(flat_job_config(master, resolve=False), advice=advice)
    return master


def _jobs(loader: ConfigLoader, master: DictConfig, *, is_multirun: bool) -> Iterator[DictConfig]:
    """Yield the config of a single run, or of each job of a grid, or the part that all jobs of a foreign sweeper share."""
    if not is_multirun:
        yield master.copy()
        return
    if str(master.hydra.sweeper._target_) == _OUR_SWEEPER:
        return
    master.hydra.overrides.hydra.append(f"hydra.mode={RunMode.MULTIRUN.name}")
    parser, composer = OverridesParser.create(config_loader=loader), Composer(loader, master, [])
    typed = [str(it) for it in OmegaConf.to_container(master.hydra.overrides.task, resolve=False) or ()]
    if is_grid(str(master.hydra.sweeper._target_)):
        params = [f"{key}={text}" for key, text in (master.hydra.sweeper.params or {}).items()]
        for grid_overrides in grid(parser.parse_overrides([*params, *typed])):
            yield composer.compose(grid_overrides)
    else:
        yield composer.compose([str(it.input_line) for it in parser.parse_overrides(typed) if not it.is_sweep_override()])
