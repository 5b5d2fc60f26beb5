"""Accepted values of the numbers and words in `hydra.sweeper`."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.workers.trial_files import CHOICES

# One command launches each as a job of its own.
MOST_WORKERS = 10_000

_ACCEPTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "n_trials": ("a whole number of at least 1", lambda number: number >= 1),
    "n_jobs": (f"a whole number from 1 to {MOST_WORKERS:,}, or null,", lambda number: 1 <= number <= MOST_WORKERS),
    "max_failure_rate": ("a number from 0 to 1", lambda rate: 0 <= rate <= 1),
    "timeout": ("a number of seconds of at least 0, or null,", lambda seconds: seconds >= 0),
    "patience": ("a whole number of at least 1, or null,", lambda number: number >= 1),
    "lease_seconds": ("a number of seconds above 0", lambda seconds: 0 < seconds < math.inf),
    "target": ("a number, or null,", lambda value: not math.isnan(value)),
    "trial_timeout": ("a number of seconds above 0, or null,", lambda seconds: 0 < seconds < math.inf),
    "best_group": ("the name of a config group", lambda group: re.fullmatch(r"[\w-]+(/[\w-]+)*", group) is not None),
    "trial_files": ("all, overrides or none", lambda kept: kept in CHOICES),
    "max_retries": ("a whole number of at least 0", lambda number: number >= 0),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse a value that is not accepted; Hydra checks the types when it composes.

    Raises:
        SweepError: in one line, with the key and what is accepted.
    """
    for name, (accepted, is_accepted) in _ACCEPTED.items():
        value = options[name]
        if value is not None and not is_accepted(value):
            raise SweepError(f"hydra.sweeper.{name}={value}: {accepted} is accepted")
