"""What is printed of a trial that has ended."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("densenet_sweep.sweep")


def end(study: "optuna.Study", trial: "optuna.trial.FrozenTrial", sweep_dir: Path) -> None:
    """Print one line: state, value and best value so far, or the reason and where the trial's log is."""
    reason = trial.user_attrs.get("reason", "")
    if trial.state.name == "FAIL":
        log.warning("trial %d failed: %s (%s)", trial.number, reason, _shown(sweep_dir / str(trial.number)))
    elif trial.state.name == "PRUNED":
        log.info("trial %d pruned %s", trial.number, reason)
    elif len(study.directions) > 1:
        log.info("trial %d complete: %s", trial.number, ", ".join(f"{value:.6g}" for value in trial.values))
    else:
        best = study.best_trial
        log.info("trial %d complete: %.6g (best %.6g, trial %d)", trial.number, trial.value, best.value, best.number)


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
