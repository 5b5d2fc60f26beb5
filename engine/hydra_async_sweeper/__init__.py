"""The sweep engine: any Hydra task function, searched by Optuna, by workers that pull trials from a shared study.

It depends on no network, data or tracker. A task function gets its trial from `current_trial()`, reports to it, and may
check whether to continue; outside a sweep the same calls do nothing.
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
