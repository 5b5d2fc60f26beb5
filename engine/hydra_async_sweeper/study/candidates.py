"""Which trials can be the best."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna


def is_candidate(trial: "optuna.trial.FrozenTrial") -> bool:
    """Return whether the trial is complete and within its constraints."""
    return trial.state.name == "COMPLETE" and all(excess <= 0 for excess in trial.constraints.values())
