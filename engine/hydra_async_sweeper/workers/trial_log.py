"""The log line of a trial that has ended."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_async_sweeper.readable import shown_path
from hydra_async_sweeper.study import trial_folder
from hydra_async_sweeper.study.ranking import best_trial
from hydra_async_sweeper.trial import REASON

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")


def end(study: "optuna.Study", trial: "optuna.trial.FrozenTrial", sweep_dir: Path) -> None:
    """Log one line: the state with value and incumbent, or with the reason and, for a failure, the trial's folder."""
    reason = trial.user_attrs.get(REASON, "")
    if trial.state.name == "FAIL":
        log.warning(
            "trial %d failed: %s (%s)",
            trial.number,
            reason,
            shown_path(sweep_dir / trial_folder.name(trial.number, trial.user_attrs)),
        )
    elif trial.state.name == "PRUNED":
        log.info("trial %d pruned %s", trial.number, reason)
    else:
        best = best_trial(study)
        beside = "" if best is None else f" (best {best.value:.6g}, trial {best.number})"
        log.info("trial %d complete: %s%s", trial.number, ", ".join(f"{value:.6g}" for value in trial.values), beside)
