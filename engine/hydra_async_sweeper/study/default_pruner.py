"""Which pruner a sweep has that names none: `auto` where that pays, and as without a pruner everywhere else."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.study.enqueue import is_own
from hydra_async_sweeper.study.searches import SEARCHES

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")

_AUTO = "hydra_async_sweeper.study.auto_pruner.AutoPruner"
_NONE = {"_target_": "optuna.pruners.NopPruner"}

# Fewer trials are all trained to their ends.
_FEWEST_TRIALS = 10

# Of fewer trials every second one continues after a milestone; of more, one of `FACTOR`. On LCBench's development tasks,
# 20 such trials take 46 % of the steps of 20 complete ones, and end with 0.428 of normalised regret instead of 0.233 with TPE
# (benchmarks/LOG.md).
_MANY_TRIALS = 30
FACTOR = 3

# So many are complete at least, or a quarter of `n_trials` if those are fewer.
AT_LEAST = 5

# Samplers that learn from stopped trials, or from none; the others take complete ones alone, or enumerate.
_SAMPLERS = ("TPESampler", "RandomSampler", "QMCSampler")


def section_of(options: Mapping[str, Any], num_objectives: int) -> dict[str, Any]:
    """Return the section of the pruner that a new study is searched with, from the options of `hydra.sweeper`.

    `auto` becomes `none` with several objectives, few trials, `repeats`, a `patience`, which counts trials, and beside samplers
    that learn from complete trials alone. Otherwise what it leaves open follows from `n_trials`: of few trials, more continue.
    """
    section = dict(options["pruner"])
    if not _is_auto(section):
        return section
    n_trials, sampler = options["n_trials"], str(options["sampler"].get("_target_")).rpartition(".")[2]
    is_to_be_complete = options["repeats"] or options["patience"] is not None or sampler not in _SAMPLERS
    if num_objectives > 1 or n_trials < _FEWEST_TRIALS or is_to_be_complete:
        return _NONE
    chosen = {"at_least": min(AT_LEAST, n_trials // 4), "milestone_factor": 2 if n_trials < _MANY_TRIALS else FACTOR}
    return {**section, **{name: value for name, value in chosen.items() if section.get(name) is None}}


def section_of_continued(study: "optuna.Study", section: dict[str, Any]) -> dict[str, Any]:
    """Return the section for a study that exists: one that began without `auto` continues without a pruner."""
    searches = study.user_attrs.get(SEARCHES, [])
    begun = [it for it in study.get_trials(deepcopy=False) if it.state.name != "WAITING" and is_own(it)]
    if not _is_auto(section) or not begun or (searches and _is_auto(searches[-1].get("pruner", {}))):
        return section
    if any(trial.intermediate_values for trial in begun):
        log.info("study %s began without hydra/sweeper/pruner=auto, and continues with none", study.study_name)
    return _NONE


def _is_auto(section: Mapping[str, Any]) -> bool:
    return str(section.get("_target_")) == _AUTO
