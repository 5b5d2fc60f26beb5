"""A whole sweep: check what was asked, open the study, launch workers, say what came out.

The launcher (any of Hydra's) launches workers, not trials; the workers pull trials from the study.
"""

import logging
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from densenet_sweep.sweep import best
from densenet_sweep.sweep import space as spaces
from densenet_sweep.sweep import study as studies
from densenet_sweep.sweep.budget import Budget
from densenet_sweep.sweep.errors import SweepError
from densenet_sweep.sweep.events import emit
from densenet_sweep.sweep.worker import Settings, Worker

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("densenet_sweep.sweep")

DESCRIPTION = "study.yaml"


def sweep(
    *, options: Mapping[str, Any], config: DictConfig, context: HydraContext, task_function: TaskFunction, arguments: list[str]
) -> Any:
    """Run the sweep that `hydra.sweeper` describes, to the end of its budget, and return the best value (or values).

    Args:
        options: the sweeper's own section, plain values.
        config: Hydra's master config.
        context: Hydra's.
        task_function: the application's; returns a number, or one an objective.
        arguments: the command line's overrides of the job.

    Raises:
        SweepError: what was asked cannot be run; nothing has been written then. Or too many trials failed.
        KeyboardInterrupt: the user stopped; the same command continues.
    """
    directions = studies.directions(options["direction"])
    space = spaces.read(options["params"] or {}, arguments, context.config_loader)
    if not space.parameters and options["custom_search_space"] is None:
        raise SweepError("hydra.sweeper.params: nothing to search; key: choice(a,b), range(a,b) or interval(a,b) is accepted")
    _check_builds(options, space, directions)
    # The launcher may refuse its options; the one that is used comes with its worker.
    Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task_function, config=config)
    base = context.config_loader.load_sweep_config(config, list(space.fixed))
    context.config_loader.load_sweep_config(config, space.first())  # every searched key is in the config

    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    name = str(options["study_name"] or sweep_dir.name)
    study = studies.open_study(
        studies.open_storage(options["storage"], sweep_dir),
        name,
        directions=directions,
        space=space,
        base=best.flat_job_config(base),
        ignored=options["ignore_changes"] or [],
        allow_change=options["allow_config_change"],
    )
    if not study.get_trials(deepcopy=False):
        for values in options["enqueue"] or []:
            study.enqueue_trial(_checked_first(values, space))
    command = f"{_program()} {shlex.join(sys.argv[1:])}".strip()
    _describe(sweep_dir, study, options, command)
    emit(context, "on_study_open", config=config, study_name=name, sweep_dir=str(sweep_dir))

    settings = Settings(
        study_name=name,
        storage=options["storage"],
        sweep_dir=sweep_dir,
        sampler=options["sampler"],
        pruner=options["pruner"],
        budget=Budget(
            n_trials=options["n_trials"],
            timeout=options["timeout"],
            target=options["target"],
            patience=options["patience"],
            max_failure_rate=options["max_failure_rate"],
        ),
        started=time.time(),
        lease_seconds=options["lease_seconds"],
        max_retries=options["max_retries"],
        custom_search_space=options["custom_search_space"],
    )
    reason = settings.budget.reason_to_stop(study, settings.started)
    try:
        if reason is None:
            reason = _launch(options["n_jobs"], config, context, task_function, space, settings)
    except BaseException as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
        emit(context, "on_study_end", config=config, study_name=name, sweep_dir=str(sweep_dir), reason=why)
        if isinstance(error, KeyboardInterrupt):
            log.warning("interrupted; continue with:\n  %s", command)
        raise
    log.info("the sweep has ended: %s", reason)
    result = _report_best(study, config, context, space, sweep_dir)
    emit(context, "on_study_end", config=config, study_name=name, sweep_dir=str(sweep_dir), reason=reason)
    if "trials failed" in reason:
        raise SweepError(f"{reason}; the last one: {_last_failure(study)}")
    return result


def _check_builds(options: Mapping[str, Any], space: spaces.Space, directions: Sequence[str]) -> None:
    """Build what the workers will build, so that its mistakes are found before any of them starts."""
    is_grid = str(options["sampler"]["_target_"]).endswith(".GridSampler")
    extra = {"search_space": studies.grid(space)} if is_grid else {}
    studies.build(options["sampler"], "hydra.sweeper.sampler", **extra)
    studies.build(options["pruner"], "hydra.sweeper.pruner")
    pruner = str(options["pruner"]["_target_"]).rpartition(".")[2]
    if len(directions) > 1 and pruner != "NopPruner":
        raise SweepError(
            f"hydra/sweeper/pruner: {pruner} cannot prune by {len(directions)} objectives; "
            "hydra/sweeper/pruner=none is accepted"
        )
    if options["n_trials"] < 1:
        raise SweepError(f"hydra.sweeper.n_trials={options['n_trials']}: a whole number of at least 1 is accepted")


def _checked_first(values: Mapping[str, Any], space: spaces.Space) -> dict[str, Any]:
    for key, value in values.items():
        if key not in space.parameters:
            raise SweepError(f"hydra.sweeper.enqueue: {key} is not searched; {', '.join(space.parameters)} are")
        if not space.parameters[key].distribution._contains(space.parameters[key].distribution.to_internal_repr(value)):
            raise SweepError(f"hydra.sweeper.enqueue: {key}={value} is outside of {space.parameters[key].text}")
    return dict(values)


def _describe(sweep_dir: Path, study: "optuna.Study", options: Mapping[str, Any], command: str) -> None:
    """Write down where the study is, for whoever looks at the folder; without passwords."""
    storage = options["storage"]
    description = {
        "study_name": study.study_name,
        "storage": None if storage is None else studies.redacted(storage),
        "directions": [direction.name.lower() for direction in study.directions],
        "n_trials": options["n_trials"],
        "command": command if storage is None else command.replace(storage, studies.redacted(storage)),
    }
    sweep_dir.mkdir(parents=True, exist_ok=True)
    (sweep_dir / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")


def _launch(
    n_jobs: int | None,
    config: DictConfig,
    context: HydraContext,
    task_function: TaskFunction,
    space: spaces.Space,
    settings: Settings,
) -> str:
    """Launch the workers and return why they stopped."""
    master = config.copy()
    with open_dict(master):
        # Launchers announce every job; here a job is a worker, which nobody needs to hear of.
        quiet = {name: {"level": "WARNING"} for name in ("hydra", "hydra_plugins")}
        master.hydra.hydra_logging = OmegaConf.merge(master.hydra.hydra_logging or {}, {"loggers": quiet})
    worker = Worker(task_function=task_function, context=context, config=config, space=space, settings=settings)
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=worker, config=master)
    room = n_jobs if n_jobs is not None else int(getattr(launcher, "num_slots", 1))
    count = min(room, settings.budget.n_trials)
    overrides = [[*space.fixed, f"hydra.sweep.subdir=.workers/{index}"] for index in range(count)]
    returns = list(launcher.launch(overrides, initial_job_idx=0))
    failures = [returned for returned in returns if returned.status is not JobStatus.COMPLETED]
    if len(failures) == len(returns):
        raise failures[0]._return_value
    for failure in failures:  # the others have done its share
        log.warning("a worker ended early: %s", failure._return_value)
    return next(str(returned.return_value) for returned in returns if returned.status is JobStatus.COMPLETED)


def _report_best(study: "optuna.Study", config: DictConfig, context: HydraContext, space: spaces.Space, sweep_dir: Path) -> Any:
    """Print the best trial (or trials), write the best as a file that runs again, and return its value."""
    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if not complete:
        log.warning("no trial is complete, so there is no best one")
        return None
    found = study.best_trials[0] if len(study.directions) > 1 else study.best_trial
    overrides = space.overrides({name: found.params[name] for name in space.parameters})
    searched = " ".join(line for line in overrides if line not in space.fixed)
    composed = context.config_loader.load_sweep_config(config, overrides)
    values = ", ".join(f"{value:.6g}" for value in found.values)
    path = sweep_dir / "experiment" / "best.yaml"
    groups = context.config_loader.get_group_options("experiment")
    option = "experiment=best" if groups else "+experiment=best"
    shown = Path(*path.relative_to(Path.cwd()).parts[:-2]) if path.is_relative_to(Path.cwd()) else path.parent.parent
    command = f"{_program()} --config-dir {shlex.quote(str(shown))} {option}"
    header = f"The best of study {study.study_name}: trial {found.number}, value {values}.\n\n  {command}"
    best.write(path, context.config_loader, composed, header)
    kind = "one of the best trials" if len(study.directions) > 1 else "the best trial"
    log.info("%s: number %d, value %s\n  %s", kind, found.number, values, searched)
    log.info("run it again with\n  %s", command)
    return list(found.values) if len(study.directions) > 1 else found.value


def _program() -> str:
    """Return what the user typed before the arguments: an installed command, a script or a module."""
    path = Path(sys.argv[0])
    if path.name == "__main__.py":
        return f"python -m {path.parent.name}"
    return f"python {path.name}" if path.suffix == ".py" else path.name


def _last_failure(study: "optuna.Study") -> str:
    failed = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "FAIL"]
    return str(failed[-1].user_attrs.get("reason", "no reason is known"))
