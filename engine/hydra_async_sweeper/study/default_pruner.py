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

# Fewer trials are all trained to their ends: with TPE, 20 trials that may stop end on LCBench's development tasks with 0.428 of
# normalised regret instead of 0.233, for 46 % of the steps (benchmarks/LOG.md).
_FEWEST_TRIALS = 30

# Samplers that learn from stopped trials, or from none; the others take complete ones alone, or enumerate.
_SAMPLERS = ("TPESampler", "RandomSampler", "QMCSampler")


def section_of(options: Mapping[str, Any], num_objectives: int) -> dict[str, Any]:
    """Return the section of the pruner that a new study is searched with, from the options of `hydra.sweeper`.

    `auto` becomes `none` with several objectives, few trials, `repeats`, a `patience`, which counts trials, and beside samplers
    that learn from complete trials alone. `stop_when` leaves it as it is, since it counts stopped trials as draws that failed
    to improve: as good for the same steps on LCBench's development tasks (benchmarks/LOG.md).
    """
    section = dict(options["pruner"])
    if not _is_auto(section):
        return section
    sampler = str(options["sampler"].get("_target_")).rpartition(".")[2]
    is_to_be_complete = options["repeats"] or options["patience"] is not None or sampler not in _SAMPLERS
    return _NONE if num_objectives > 1 or options["n_trials"] < _FEWEST_TRIALS or is_to_be_complete else section


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
