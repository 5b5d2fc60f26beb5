"""What a command line of `densenet-sweep` runs: a known first word selects a subcommand, anything else goes to Hydra untouched.

Imports nothing heavy, so that `--help` answers at once.
"""

import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra_async_sweeper.application import short_spins
from omegaconf import DictConfig

from densenet_sweep.commands import completion
from densenet_sweep.config import composition, errors, runnable, versions
from densenet_sweep.config.hydra_private import allowed_in_hydra, hide_private_options, started
from densenet_sweep.run import own_folder
from densenet_sweep.run.quick_end import end_quickly

if TYPE_CHECKING:
    from torch import Tensor

# How a sweep is only foreseen, and the key that stands for it.
DRY_RUN = "--dry-run"
_DRY_RUN_KEY = "hydra.sweeper.dry_run"

# Each is a module of `commands` whose `main(arguments)` runs it; a `Command` that it returns is run as if it had been typed.
SUBCOMMANDS = (
    "clean",
    "compare",
    "confirm",
    "describe",
    "evaluate",
    "export",
    "final",
    "predict",
    "rerun",
    "serve",
    "status",
    "ui",
)


def task(job: DictConfig) -> float | tuple[float, ...]:
    """Train from the composed `job`: Hydra's task function for a single run, a grid and a trial alike."""
    return _train(job, final=False)


def final_task(job: DictConfig) -> float | tuple[float, ...]:
    """Train on all images except the test set and return the test accuracy: the task of `confirm`."""
    return _train(job, final=True)


def _train(job: DictConfig, *, final: bool) -> float | tuple[float, ...]:
    from hydra_async_sweeper import current_trial

    from densenet_sweep.models import named
    from densenet_sweep.run import train
    from densenet_sweep.run.recording import Job

    runtime = HydraConfig.get()
    described = Job(
        output_dir=composition.output_dir(runtime),
        choices=composition.choices(runtime),
        overrides=composition.task_overrides(runtime),
        final=final,
        **(_confirmation(runtime, job.seed) if final else {}),
    )
    where_from = [it for it in described.overrides if it.lstrip("+~").startswith(("tracking", "trusted_targets="))]

    def find_model(name: str, uri: str) -> "dict[str, Tensor]":
        return named.tensors(name, uri, where_from)

    if runtime.mode is not RunMode.RUN:
        if current_trial().number is not None:
            end_quickly()  # in a worker's process
            return train.train(composition.typed(job), described, find_model)
        own_folder.claim(described.output_dir)  # a plain grid's job
        try:
            return train.train(composition.typed(job), described, find_model)
        finally:
            own_folder.release()
    try:
        own_folder.claim(described.output_dir)  # already claimed, unless only a running job can resolve its path
        return train.train(composition.typed(job), described, find_model)
    except KeyboardInterrupt:
        where = f"hydra.run.dir={described.output_dir}"
        again = f"  densenet-sweep {shlex.join([*described.overrides, where])}"
        print(f"\ninterrupted; continue with:\n{f'  the same command and {where}' if final else again}", file=sys.stderr)
        raise
    except Exception as error:
        raise errors.Failed(error) from error


def _confirmation(runtime: HydraConf, seed: int) -> dict[str, Any]:
    """Return the name and tags of a confirmation's run; and images and thresholds of the sweep, also for its champion."""
    from densenet_sweep.confirm import finalists

    folder, choices = composition.sweep_dir(runtime), composition.choices(runtime)
    folders = [folder, *composition.own_config_folders(runtime)]
    thresholds = finalists.thresholds(folders, choices)
    carried = {} if thresholds is None else {"thresholds": thresholds}
    return {**finalists.described(folder, choices, seed), **finalists.images(folders, choices), **carried}


def dispatch(arguments: Sequence[str]) -> None:
    """Run a subcommand, or Hydra with `sys.argv`, whose words after the first are `arguments`."""
    os.environ.update(short_spins(os.environ))  # before torch is imported
    first = arguments[0] if arguments else ""
    if "--version" in arguments:
        print("\n".join(versions.lines()))
        return
    if completion.is_completion(arguments):
        print("\n".join(completion.own_words(SUBCOMMANDS)), flush=True)
    if first in SUBCOMMANDS:
        module = importlib.import_module(f"densenet_sweep.commands.{first}")
        command: composition.Command | None = module.main(list(arguments[1:]))
        if command is None:
            return
        sys.argv[1:] = command.arguments  # Hydra reads its arguments from here
    elif first and not first.startswith(("+", "~", "-")) and "=" not in first:
        raise ValueError(
            f"{first}: no such command{errors.did_you_mean(first, SUBCOMMANDS)}; "
            f"{', '.join(SUBCOMMANDS)} or overrides of the form key=value are accepted"
        )
    else:
        command = composition.Command([word for word in arguments if word != DRY_RUN])
    hide_private_options()
    composition.register()
    start = runnable.checked(command.arguments, command.config_name)
    if command.says:
        print(command.says, flush=True)
    if first not in SUBCOMMANDS and DRY_RUN in arguments:
        if not start.is_search:
            raise ValueError(f"{DRY_RUN}: a sweep is accepted, such as sweep=quickstart")
        sys.argv[1:] = [*command.arguments, f"{_DRY_RUN_KEY}=true"]
    if start.direction is not None:
        sys.argv.append(f"hydra.sweeper.direction={start.direction}")
    application = hydra.main(
        config_path=str(composition.config_folder()),
        config_name=command.config_name,
        **composition.VERSION_BASE,
        **allowed_in_hydra(start.targets),
    )
    failure: Exception | None = None
    try:
        with started(is_multirun=start.is_multirun, mode=start.mode):
            application(final_task if command.final else task)()
    except errors.Failed as failed:
        failure = failed.error
    finally:
        own_folder.release()
    if failure is not None:  # outside the handler, so that no exception is chained to it
        raise failure
