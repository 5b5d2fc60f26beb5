"""The sweeper `hydra/sweeper: async_optuna`: Optuna over any Hydra application, by workers that pull trials.

A thin shell: Hydra scans this module at every start of every application, so Optuna is imported only by a sweep.
No `from __future__ import annotations` here: Hydra's scan runs the module before it is in `sys.modules`, and dataclasses fail.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_async_sweeper.peer.target import OURS, Target
from hydra_async_sweeper.section import check_before_hydra


class AsyncOptunaSweeper(Sweeper):
    """Passes Hydra's arguments to the engine in `hydra_async_sweeper`."""

    def __init__(self, **options: Any) -> None:
        self._options = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self._given: dict[str, Any] = {"config": config, "context": hydra_context, "task_function": task_function}

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep and return the best value."""
        from hydra_async_sweeper.errors import SweepError
        from hydra_async_sweeper.readable import one_line
        from hydra_async_sweeper.sweeper import sweep

        try:
            return sweep(options=self._options, arguments=arguments, **self._given)
        except OmegaConfBaseException as error:  # in what the sweep reads of Hydra's other sections
            raise SweepError(one_line(error)) from None


@dataclass
class AsyncOptunaConf:
    """`hydra.sweeper`; the keys of hydra-optuna-sweeper, and ours."""

    _target_: Target = OURS
    _recursive_: bool = False
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"sampler": "tpe"}, {"pruner": "auto"}])
    sampler: Any = None
    pruner: Any = None
    # minimize or maximize, or a list of them, one per objective
    direction: Any = "minimize"
    # null or journal: study.journal in hydra.sweep.dir; sqlite: study.db there; journal:PATH; a database URL; grpc://HOST:PORT
    # or one of Optuna's storages as a _target_
    storage: Any = None
    # null: the name of hydra.sweep.dir
    study_name: str | None = None
    # finished trials (complete or pruned) of the study, in total
    n_trials: int = 20
    # workers; null: as many as the launcher has room for
    n_jobs: int | None = None
    # a sweep ends when more than this share of its trials have failed, counting at least five
    max_failure_rate: float = 0.5
    # key: the text of a sweep override, such as choice(12,24,36) or tag(log,interval(0.01,1)); or, if it is
    # searched only beside certain values of others, {search: the text, when: {another key: a value or a list of them}}
    params: Any = field(default_factory=dict)  # untyped, as a typed one cannot be null in one file and filled in another
    # the form of hydra-optuna-sweeper 1.1; deprecated
    search_space: Any = None
    # dotted path of a function (config, trial) that suggests further parameters
    custom_search_space: str | None = None
    # modules besides Optuna's whose samplers and pruners may be named, such as my_package.*
    trusted_targets: Any = None  # a list; untyped, as a typed one cannot be an interpolation while it is composed
    # seconds after which no further trial begins
    timeout: float | None = None
    # value that ends the sweep when it is reached
    target: float | None = None
    # trials without improvement after which the sweep ends
    patience: int | None = None
    # {gain: 0.002, trials: 10} ends the sweep once the next 10 trials are expected to improve the best value by less than 0.002
    stop_when: Any = None  # untyped, as `params`
    # configurations to try first, each a mapping of searched keys; those outside the space are left out
    enqueue: list[Any] | None = None
    # run only the enqueued configurations, as repetitions to be compared elsewhere: none of them is called the best
    repeats: bool = False
    # the command printed to continue the sweep; null: the one that was typed
    command: str | None = None
    # a new study starts with the finished trials of this study that lie in its space: its name, or the folder of its sweep
    warm_start_from: str | None = None
    # keys (or sections) of the job config in which a continued study may differ
    ignore_changes: list[str] = field(default_factory=list)
    # continue a study although the rest of its config has changed
    allow_config_change: bool = False
    # seconds of silence after which a worker on another host counts as dead
    lease_seconds: float = 60.0
    # seconds after which a trial that hangs is ended, and restarted like one whose worker died; null: never
    trial_timeout: float | None = None
    # what Hydra writes into a trial's folder: all (two configs, overrides.yaml and a log), overrides (that file alone) or none
    trial_files: str = "all"
    # the application's config group that the best trial's config is written for: GROUP/best.yaml in the sweep's folder
    best_group: str = "experiment"
    # how often a trial whose worker died is restarted
    max_retries: int = 2
    # check everything, call the application's on_dry_run with a forecast, and end; nothing is written
    dry_run: bool = False


_SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"_target_": "optuna.samplers.TPESampler", "seed": 0, "n_startup_trials": 10},
    "gp": {"_target_": "optuna.samplers.GPSampler", "seed": 0, "n_startup_trials": 10},
    "cmaes": {"_target_": "optuna.samplers.CmaEsSampler", "seed": 0, "n_startup_trials": 1},
    "random": {"_target_": "optuna.samplers.RandomSampler", "seed": 0},
    "qmc": {"_target_": "optuna.samplers.QMCSampler", "qmc_type": "sobol", "scramble": True, "seed": 0},
    "grid": {"_target_": "optuna.samplers.GridSampler", "seed": 0},
    "nsgaii": {"_target_": "optuna.samplers.NSGAIISampler", "seed": 0, "population_size": 50},
    "nsgaiii": {"_target_": "optuna.samplers.NSGAIIISampler", "seed": 0, "population_size": 50},
    "brute_force": {"_target_": "optuna.samplers.BruteForceSampler", "seed": 0},
}  # fmt: skip

_PRUNERS: dict[str, dict[str, Any]] = {
    # promotion at milestones in sweeps of 30 trials or more, for a task that asks `should_prune`
    "auto": {
        "_target_": "hydra_async_sweeper.study.auto_pruner.AutoPruner",
        "at_least": 5,
        "milestone_factor": 3,
        "num_random": 20,
    },
    "none": {"_target_": "optuna.pruners.NopPruner"},
    "median": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 5, "n_warmup_steps": 1},
    # With few trials and uninformative early epochs, factor 2 finds more than 3 (benchmarks/search_efficiency.py).
    "asha": {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1, "reduction_factor": 2},
    "hyperband": {"_target_": "optuna.pruners.HyperbandPruner", "min_resource": 1, "reduction_factor": 3},
    "patient": {
        "_target_": "optuna.pruners.PatientPruner",
        "wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 5},
        "patience": 1,
    },
    "wilcoxon": {"_target_": "optuna.pruners.WilcoxonPruner", "p_threshold": 0.1, "n_startup_steps": 2},
    "top_k_after_one_epoch": {"_target_": "hydra_async_sweeper.study.pruners.TopKAfterOneEpochPruner", "k": 3, "epoch": 1},
    # For the config's `rungs`. one_in: the former name of reduction_factor.
    "best_share": {"_target_": "hydra_async_sweeper.study.pruners.BestSharePruner", "reduction_factor": 6, "one_in": None},
    # After a task's rungs or, without rungs, at milestones of trainings that report nine steps or more.
    "promotion": {
        "_target_": "hydra_async_sweeper.study.promotion.PromotionPruner",
        "reduction_factor": 9,
        "at_least": 3,
        "milestone_factor": 3,
        "one_in": None,
    },
    "threshold": {"_target_": "optuna.pruners.ThresholdPruner", "lower": None, "upper": None, "n_warmup_steps": 0},
}  # fmt: skip


def sweeper_config() -> DictConfig:
    """Return the section with `params` open, so that `hydra.sweeper.params.x=...` may be typed in any application."""
    config: DictConfig = OmegaConf.structured(AsyncOptunaConf)
    OmegaConf.set_struct(config.params, False)
    return config


check_before_hydra()
ConfigStore.instance().store(group="hydra/sweeper", name="async_optuna", node=sweeper_config(), provider="hydra_async_sweeper")
for _group, _options in (("sampler", _SAMPLERS), ("pruner", _PRUNERS)):
    for _name, _node in _options.items():
        # Any argument may be typed without `+`; the sweep refuses an unknown one by name.
        _open = OmegaConf.create(_node, flags={"struct": False})
        ConfigStore.instance().store(group=f"hydra/sweeper/{_group}", name=_name, node=_open, provider="hydra_async_sweeper")
