"""The sweep engine: any Hydra task function, searched by Optuna, by workers that pull trials from a shared study.

It knows no network, no data and no tracker. A task function asks `current_trial()` for its trial, reports to it, and may
ask whether to go on; outside a sweep the same calls do nothing.
"""

from hydra_async_sweeper.trial import (
    AT_RUNGS,
    NUM_STEPS,
    REPETITION,
    RUNG_SECONDS,
    RUNGS,
    SECONDS,
    Trial,
    TrialLost,
    TrialPruned,
    current_trial,
)

__all__ = [
    "AT_RUNGS",
    "NUM_STEPS",
    "REPETITION",
    "RUNGS",
    "RUNG_SECONDS",
    "SECONDS",
    "Trial",
    "TrialLost",
    "TrialPruned",
    "current_trial",
]
