"""The end of a sweep: its best trial, in the log and as files."""

import logging
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext

from hydra_async_sweeper import best_config
from hydra_async_sweeper.best_file import BestFile
from hydra_async_sweeper.peer import results_file
from hydra_async_sweeper.program import program, with_config_dir
from hydra_async_sweeper.readable import broken, one_line, shown_path
from hydra_async_sweeper.space.search_space import Space
from hydra_async_sweeper.study.ranking import best_trial
from hydra_async_sweeper.trial import REPETITION
from hydra_async_sweeper.workers.composer import Composer

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")


def report_best(
    study: "optuna.Study",
    context: HydraContext,
    composer: Composer,
    space: Space,
    sweep_dir: Path,
    options: Mapping[str, Any],
) -> Any:
    """Log the best trial, write it as an option file that runs again, and return its value (or values).

    Whatever goes wrong with the files is a warning, after all the training that was done.
    """
    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if not complete:
        log.warning("no trial is complete%s", "" if study.user_attrs.get(best_config.REPEATS) else ", so there is no best one")
        return None
    found = _best_in_the_first(study) if len(study.directions) > 1 else best_trial(study)
    if found is None:
        if not study.user_attrs.get(best_config.REPEATS):
            log.warning("no complete trial is within its constraints, so there is no best one")
        return None
    values = ", ".join(f"{value:.6g}" for value in found.values)
    front = f"the first of {len(study.best_trials)} on the Pareto front by the first objective"
    kind = front if len(study.directions) > 1 else "the best trial"
    searched = textwrap.fill(space.searched(found.params), 78, break_long_words=False, break_on_hyphens=False)
    log.info("%s: number %d, value %s\n%s", kind, found.number, values, textwrap.indent(searched, "  "))
    try:
        results_file.write(sweep_dir, study, space)
        composed = composer.compose(space.overrides(found.params)[len(space.fixed) :])
        best = BestFile(
            context.config_loader,
            composed,
            options["best_group"],
            options["ignore_changes"] or [],
            found.user_attrs.get(REPETITION, {}),
        )
        overrides = best.write(sweep_dir)
        arguments = with_config_dir(str(shown_path(sweep_dir)), composed.hydra.searchpath)
        command = f"{program()} {shlex.join([*arguments, *overrides])}"
        best.add_header(
            sweep_dir, f"The best of study {study.study_name}: trial {found.number}, value {values}.\n\n  {command}"
        )
        log.info("run it again with\n%s", textwrap.indent(broken(shlex.split(command), 78), "  "))
    except Exception as error:
        log.warning("the best trial's config is not written: %s", one_line(error))
    return list(found.values) if len(study.directions) > 1 else found.value


def _best_in_the_first(study: "optuna.Study") -> "optuna.trial.FrozenTrial | None":
    """Return the trial of the Pareto front that is best in the first objective; None if none is within its constraints."""
    sign = 1 if study.directions[0].name == "MAXIMIZE" else -1
    return max(study.best_trials, key=lambda trial: (sign * trial.values[0], -trial.number), default=None)
