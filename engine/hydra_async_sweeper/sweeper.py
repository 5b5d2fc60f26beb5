"""A whole sweep: check the options, open the study, launch workers, report the result.

The launcher (any of Hydra's) launches workers, not trials; the workers pull trials from the study.
"""

import functools
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_async_sweeper import best_config
from hydra_async_sweeper.best_report import report_best
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.events import Outcome, collect, consult, emit
from hydra_async_sweeper.launchers import launching
from hydra_async_sweeper.options import check_options, stop_when
from hydra_async_sweeper.peer.options import translated
from hydra_async_sweeper.program import command as typed_command
from hydra_async_sweeper.readable import counted, one_line
from hydra_async_sweeper.section import check_resolved
from hydra_async_sweeper.sendable import check_sendable
from hydra_async_sweeper.signal_handlers import end_without_traceback
from hydra_async_sweeper.space import conditions
from hydra_async_sweeper.space import search_space as spaces
from hydra_async_sweeper.study import (
    build,
    enqueue,
    forecast,
    other_space,
    passwords,
    rehearsal,
    searches,
    study_file,
    trial_folder,
    trust,
)
from hydra_async_sweeper.study import definition as studies
from hydra_async_sweeper.study import storage as storages
from hydra_async_sweeper.study.budget import Budget
from hydra_async_sweeper.study.default_pruner import section_of, section_of_continued
from hydra_async_sweeper.study.earlier import set_stored
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.expected_gain import StopWhen
from hydra_async_sweeper.study.names import check_study_name
from hydra_async_sweeper.study.ranking import best_first
from hydra_async_sweeper.trial import HELD_TO, REASON, STUDY_ID
from hydra_async_sweeper.workers.composer import Composer
from hydra_async_sweeper.workers.worker import Settings, Worker

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")


def sweep(
    *, options: Mapping[str, Any], config: DictConfig, context: HydraContext, task_function: TaskFunction, arguments: list[str]
) -> Any:
    """Run the sweep that `hydra.sweeper` describes, to the end of its budget, and return the best value (or values).

    Args:
        options: the sweeper's own section, plain values.
        config: Hydra's master config.
        context: Hydra's.
        task_function: the application's; returns a number, or one per objective.
        arguments: the command line's overrides of the job.

    Raises:
        SweepError: the sweep cannot run, and nothing was written; or too many trials failed.
        KeyboardInterrupt: the user stopped; the same command continues.
    """
    if sys.platform == "win32":
        raise SweepError("hydra/sweeper=async_optuna: Windows is not supported; WSL 2 runs it")
    options = translated(options)
    options["storage"] = storages.located(options["storage"], Path(config.hydra.runtime.cwd))
    check_options(options)
    directions = studies.directions(options["direction"])
    ends = stop_when(options["stop_when"], len(directions))
    options["pruner"] = section_of(options, len(directions))
    passwords.check_password(options["storage"])
    written: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    passwords.refuse_written(written.get("storage"), "hydra.sweeper.storage")
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    name = str(options["study_name"] or sweep_dir.name)
    if not study_file.describes(sweep_dir, name):  # an older study keeps the name that it has
        check_study_name(name, "hydra.sweep.dir" if options["study_name"] is None else "hydra.sweeper.study_name")
    compose = _composing(context, config)
    look_up = _look_up_in(compose)
    space = spaces.read(options["params"] or {}, arguments, context.config_loader, look_up)
    if not space.parameters and options["custom_search_space"] is None:
        raise SweepError("hydra.sweeper.params: nothing to search; key: choice(a,b), range(a,b) or interval(a,b) is accepted")
    # Build what the workers will build, to find mistakes before any of them starts.
    for section in ("sampler", "pruner"):
        trust.check_targets(options[section], f"hydra.sweeper.{section}", options["trusted_targets"] or [])
    sampler = build.sampler(build.reseeded(options["sampler"], 0), space)
    rehearsal.check_search(sampler, build.pruner(options["pruner"], len(directions)), space, len(directions))
    rehearsal.check_custom_search_space(options["custom_search_space"])
    if OmegaConf.is_dict(config.hydra.launcher):
        check_resolved(config.hydra.launcher, throw_on_missing=False)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task_function, config=launching.adapted(config)
    )
    if launching.sends(launcher):
        check_sendable(task_function, context, config)
    has_own = options["custom_search_space"] is not None
    entries = [enqueue.checked(entry, space, takes_others=has_own) for entry in options["enqueue"] or []]
    first = [values for values in entries if values is not None]
    base = compose(space.fixed)
    definition = studies.define(
        directions,
        space,
        base,
        options["ignore_changes"] or [],
        functools.partial(_is_composing, context, options["best_group"]),
    )
    composer = Composer(context.config_loader, config, space.fixed, base)
    rehearsal.check_space(
        space,
        first,
        lambda it: consult(context, "on_config_check", config=composer.compose(it)),
        only_enqueued=options["repeats"],
    )
    launching.keep_to_memory(launcher, collect(context, "on_worker_memory", config=base))

    if options["dry_run"]:
        consult(
            context, "on_dry_run",
            config=config, study_name=name, sweep_dir=str(sweep_dir),
            examples=[composer.compose(space.overrides(it)[len(space.fixed) :]) for it in forecast.examples(space, first)],
            foresee=functools.partial(
                forecast.foresee, options["pruner"], num_enqueued=len(first), num_objectives=len(directions)
            ),
            num_workers=min(options["n_trials"], launching.room(launcher, options["n_jobs"])),
        )  # fmt: skip
        log.info("a dry run: nothing was started or written")
        return None

    def fit(source: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
        """Return the finished trials of `source` that lie in this space; an added parameter has its stated value."""
        before: dict[str, Any] = {**source.user_attrs.get("config", {}), **source.user_attrs.get("choices", {})}
        return other_space.fitted(
            enqueue.copies(source),
            space,
            lambda it: before[it] if it in before else look_up(it, space.fixed),
            keeps_others=has_own,
        )

    command = options["command"] or typed_command(config, sweep_dir)
    num_workers = min(options["n_trials"], launching.room(launcher, options["n_jobs"]))
    with launching.early(launcher, num_workers, collect(context, "on_sweep_start", config=config)):
        with _leaving_nothing(sweep_dir):
            defaults = conditions.defaults(space.parameters, space.fixed, look_up)
            study = _opened(options, name, sweep_dir, definition, first, _reread_with(context, config), fit, defaults)
            study_file.write(sweep_dir, study, storage=options["storage"], n_trials=options["n_trials"], command=command)
            event_arguments = {
                "config": config, "study_name": study.study_name, "study_id": study.user_attrs.get(STUDY_ID),
                "sweep_dir": str(sweep_dir),
            }  # fmt: skip
            emit(context, "on_study_open", command=command, **event_arguments)

        settings = _settings(options, study.study_name, sweep_dir, base, ends)
        worker = Worker(task_function=task_function, context=context, config=config, space=space, settings=settings)
        reason = settings.budget.reason_to_stop(study, settings.started)
        try:
            if reason is None:
                reason = launching.launch(worker, config, launcher, options["n_jobs"], study)
        except BaseException as error:
            is_interrupted = isinstance(error, KeyboardInterrupt)
            why = "interrupted" if is_interrupted else passwords.scrubbed(f"{type(error).__name__}: {error}")
            _emit_end(context, study, why, "interrupted" if is_interrupted else "failed", event_arguments)
            if is_interrupted:
                log.warning("interrupted; continue with:\n  %s", command)
                end_without_traceback()
                raise KeyboardInterrupt from None  # a worker's own kind would not count as Ctrl-C in the exit code
            raise
    failure = settings.budget.failure(study)
    reason = failure or reason
    log.info("the sweep has ended: %s", reason)
    result = report_best(study, context, composer, space, sweep_dir, options)
    _emit_end(context, study, reason, "finished" if failure is None else "failed", event_arguments)
    if failure is not None:
        raise SweepError(f"{failure}; the last one: {_last_failure(study)}")
    return result


def _composing(context: HydraContext, config: DictConfig) -> Callable[[Sequence[str]], DictConfig]:
    """Return a function that composes a trial with some fixed overrides; the same ones once. What it returns is only read."""
    composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(fixed: Sequence[str]) -> DictConfig:
        overrides = tuple(fixed)
        if overrides not in composed:
            composed[overrides] = context.config_loader.load_sweep_config(config, list(overrides))
        return composed[overrides]

    return compose


def _is_composing(context: HydraContext, best_group: str, group: str, option: str) -> bool:
    return group == best_group or best_config.sets_other_keys(context.config_loader, group, option)


def _look_up_in(compose: Callable[[Sequence[str]], DictConfig]) -> conditions.LookUp:
    """Return a function that looks up a key in the config composed with some fixed overrides."""

    def look_up(key: str, fixed: Sequence[str]) -> Any:
        base = compose(fixed)
        nothing = object()
        found = base.hydra.runtime.choices.get(key, nothing)
        found = OmegaConf.select(base, key, default=nothing) if found is nothing else found
        if found is nothing:
            raise KeyError(key)
        return found

    return look_up


def _reread_with(context: HydraContext, config: DictConfig) -> studies.Reread:
    """Return a function that expresses a stored config in terms of today's config files."""

    def reread(choices: Mapping[str, str], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            plain = best_config.plain_config(context.config_loader, config, choices)
        except Exception:  # an option no longer exists: what it gave is unknown, so every present key is a difference
            return stored
        set_stored(plain, stored)
        return best_config.as_json(best_config.flat_job_config(plain))

    return reread


@contextmanager
def _leaving_nothing(sweep_dir: Path) -> Iterator[None]:
    """If the sweep is refused inside the context, remove its folder and those above it, unless they existed before."""
    new = [folder for folder in (sweep_dir, *sweep_dir.parents) if not folder.exists()]
    try:
        yield
    except (SweepError, OSError) as error:
        if new and isinstance(error, SweepError):
            shutil.rmtree(sweep_dir, ignore_errors=True)
        for folder in new:
            with suppress(OSError):  # another sweep is there by now
                folder.rmdir()
        if isinstance(error, OSError) and error.filename is not None:  # of a file; a server's has none
            raise SweepError(f"hydra.sweep.dir={sweep_dir}: {one_line(error)}") from error
        raise


def _opened(
    options: dict[str, Any],
    name: str,
    sweep_dir: Path,
    definition: studies.Definition,
    first: Sequence[Mapping[str, Any]],
    reread: studies.Reread,
    fit: "Callable[[optuna.Study], list[optuna.trial.FrozenTrial]]",
    defaults: Mapping[str, Any],
) -> "optuna.Study":
    """Return the study, with its first trials if it is new; commands open it one at a time.

    A study that began without a pruner continues so: `options` then names none.
    """
    study_file.check_file(sweep_dir, options["storage"])
    storage = storages.open_storage(options["storage"], sweep_dir)
    study_file.check_trials(sweep_dir, name, storage, options["storage"])
    allow_change = options["allow_config_change"]
    earlier = []
    held_to: Mapping[str, str] = {}
    if options["warm_start_from"] is not None:
        source = enqueue.source_of_warm_start(options["warm_start_from"], storage, sweep_dir)
        studies.check_comparable(source, definition, reread=reread, allow_change=allow_change)
        earlier = fit(source)
        left_out = len(enqueue.copies(source)) - len(earlier)
        if left_out:
            log.info("hydra.sweeper.warm_start_from: left out %s outside of the space", counted(left_out, "trial"))
        held_to = {} if allow_change else source.user_attrs.get(HELD_TO, {})
    sweep_dir.mkdir(parents=True, exist_ok=True)
    with exclusive(storage, name) as renew:
        study = studies.open_study(storage, name, definition, reread=reread, allow_change=allow_change)
        if held_to and HELD_TO not in study.user_attrs:
            study.set_user_attr(HELD_TO, held_to)
        options["pruner"] = section_of_continued(study, options["pruner"])
        enqueue.begin(study, first, earlier, renew)
        searches.record(study, options, defaults)
        if options["repeats"]:
            study.set_user_attr(best_config.REPEATS, True)
    return study


def _settings(
    options: Mapping[str, Any], study_name: str, sweep_dir: Path, base: DictConfig, ends: StopWhen | None
) -> Settings:
    storage = options["storage"]
    return Settings(
        study_name=study_name,
        storage=None if storage is None else passwords.redacted(storage),  # launchers write what they send to files
        sweep_dir=sweep_dir,
        sampler=options["sampler"],
        pruner=options["pruner"],
        budget=Budget(
            n_trials=options["n_trials"],
            timeout=options["timeout"],
            target=options["target"],
            patience=options["patience"],
            stop_when=ends,
            max_failure_rate=options["max_failure_rate"],
        ),
        started=time.time(),
        lease_seconds=options["lease_seconds"],
        max_retries=options["max_retries"],
        trial_timeout=options["trial_timeout"],
        custom_search_space=options["custom_search_space"],
        trial_files=options["trial_files"],
        repeats=options["repeats"],
        base=best_config.flat_job_config(base, resolve=False),
    )


def _emit_end(
    context: HydraContext, study: "optuna.Study", reason: str, outcome: Outcome, arguments: Mapping[str, Any]
) -> None:
    emit(
        context, "on_study_end",
        reason=reason, outcome=outcome, states=_states(study), best=best_first(study), folders=trial_folder.named(study),
        **arguments,
    )  # fmt: skip


def _states(study: "optuna.Study") -> dict[int, tuple[str, str | None]]:
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "WAITING": "interrupted"}
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in words]
    return {trial.number: (words[trial.state.name], trial.user_attrs.get(REASON)) for trial in trials}


def _last_failure(study: "optuna.Study") -> str:
    failed = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "FAIL"]
    return str(failed[-1].user_attrs.get(REASON, "no reason is known"))
