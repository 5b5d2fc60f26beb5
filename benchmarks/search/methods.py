"""Search methods as a user chooses them: a sampler's and a pruner's section, by the names of their options."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra_async_sweeper.study.default_pruner import section_of
from omegaconf import OmegaConf
from optuna import Study
from replay import Job, Ledger, sweep

from densenet_sweep.config.composition import CONFIG_NAME, VERSION_BASE, config_folder, register
from search.task import Task

Section = Mapping[str, Any]


@dataclass(frozen=True)
class Method:
    """A sampler and a pruner.

    Attributes:
        sampler: its section of `hydra.sweeper`.
        pruner: likewise.
        resumes: promoted trials continue from a checkpoint, as the task says that it can.
        annotates: the task says how many steps it will report, which is else known from the first complete trial.
        takes_rungs: the task's rungs, if it has any, are trained first; otherwise each step of the whole training is judged.
    """

    sampler: Section
    pruner: Section
    resumes: bool = False
    takes_rungs: bool = False
    annotates: bool = False

    def trials(
        self, task: Task, seed: int, n_trials: float = math.inf, opened: Callable[[Study], None] = lambda _: None
    ) -> Callable[[Ledger], Iterator[Job]]:
        """Return the trials of a sweep of `n_trials`, on which the default pruner depends; `opened` gets the study."""
        options = {"pruner": self.pruner, "sampler": self.sampler, "n_trials": n_trials, "patience": None, "repeats": False}
        rungs = task.rungs if self.takes_rungs else ()

        def look_up(parameters: Mapping[str, Any]) -> Any:
            curves = task.curves(parameters)
            return curves if self.takes_rungs else curves[-1:]

        return sweep(
            look_up, task.space, self.sampler, section_of(options, num_objectives=1), n_trials=n_trials,
            num_epochs=task.num_steps, seed=seed, rungs=rungs, resumes=self.resumes, annotates=self.annotates, opened=opened,
        )  # fmt: skip


def section(group: str, name: str, **arguments: Any) -> Section:
    """Return what `hydra/sweeper/GROUP=NAME` composes to, with some arguments replaced."""
    Plugins.instance()  # which imports the engine's sections
    return {**ConfigStore.instance().load(f"hydra/sweeper/{group}/{name}.yaml").node, **arguments}


def defaults() -> tuple[Section, Section, list[int]]:
    """Return the sampler, the pruner and the rungs of the supplied sweeps."""
    register()
    with initialize_config_dir(config_dir=str(config_folder()), **VERSION_BASE):
        config = compose(CONFIG_NAME, overrides=["sweep=growth_depth_lr"], return_hydra_config=True)
    chosen: Any = OmegaConf.to_container(OmegaConf.masked_copy(config.hydra.sweeper, ["sampler", "pruner"]))
    return chosen["sampler"], chosen["pruner"], list(config.rungs)


def of_plain_tasks() -> dict[str, Method]:
    """Return the methods for a task that reports each step of one training; the baseline is TPE."""
    tpe, none, auto = section("sampler", "tpe"), section("pruner", "none"), section("pruner", "auto")
    return {
        "random": Method(section("sampler", "random"), none),
        "TPE": Method(tpe, none),
        "our default": Method(tpe, auto),
        "TPE, promotion, steps annotated": Method(tpe, section("pruner", "promotion"), annotates=True),
        "TPE, asha": Method(tpe, section("pruner", "asha")),
        "TPE, hyperband": Method(tpe, section("pruner", "hyperband")),
    }


def of_synthetic_tasks() -> dict[str, Method]:
    """Return the few of `of_plain_tasks` that matter most."""
    return {name: method for name, method in of_plain_tasks().items() if name in ("random", "TPE", "our default")}


def of_tasks_with_rungs() -> dict[str, Method]:
    """Return the methods for a task with rungs under schedules of their own."""
    tpe, none = section("sampler", "tpe"), section("pruner", "none")
    sampler, pruner, _ = defaults()
    return {
        "random": Method(section("sampler", "random"), none),
        "TPE": Method(tpe, none),
        "our default": Method(sampler, pruner, takes_rungs=True),
    }


def of_samplers() -> dict[str, Method]:
    """Return the samplers, without pruning; gp takes longer than all others together."""
    none = section("pruner", "none")
    names = {"random": "random", "TPE": "tpe", "cmaes": "cmaes", "qmc": "qmc"}
    return {shown: Method(section("sampler", name), none) for shown, name in names.items()}
