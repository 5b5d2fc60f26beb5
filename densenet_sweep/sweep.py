"""The engine under the name that it had before it became `hydra_async_sweeper`; for one minor version."""

import warnings

from hydra_async_sweeper import NUM_STEPS, RUNG_SECONDS, RUNGS, SECONDS, Trial, TrialLost, TrialPruned, current_trial

from densenet_sweep.config import sweeper_alias

__all__ = ["NUM_STEPS", "RUNGS", "RUNG_SECONDS", "SECONDS", "Trial", "TrialLost", "TrialPruned", "current_trial"]

warnings.warn("densenet_sweep.sweep is now hydra_async_sweeper, and goes away in version 0.3", DeprecationWarning, stacklevel=2)
sweeper_alias.register()
