"""Accepted values of the numbers and words in `hydra.sweeper`."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import counted, unknown_key
from hydra_async_sweeper.study.expected_gain import StopWhen
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

_STOP_WHEN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "gain": ("a number above 0, in the objective's own unit,", lambda gain: 0 < gain < math.inf),
    "trials": ("a whole number of at least 1", lambda number: isinstance(number, int) and number >= 1),
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


def stop_when(value: Any, num_objectives: int) -> StopWhen | None:
    """Return the rule that `hydra.sweeper.stop_when` states.

    Raises:
        SweepError: it states none, or there are several objectives; in one line, with the key and what is accepted.
    """
    if value is None:
        return None
    key = "hydra.sweeper.stop_when"
    shown = f"{{{', '.join(f'{name}: {it}' for name, it in value.items())}}}" if isinstance(value, Mapping) else value
    if num_objectives > 1:
        several = counted(num_objectives, "objective")
        raise SweepError(f"{key}={shown}: null is accepted with {several}, which have no single best value")
    if not isinstance(value, Mapping) or not _STOP_WHEN.keys() <= value.keys():
        raise SweepError(f"{key}={shown}: null, or both numbers, such as {{gain: 0.002, trials: 10}}, is accepted")
    for name, number in value.items():
        if name not in _STOP_WHEN:
            raise SweepError(unknown_key(key, str(name), list(_STOP_WHEN)))
        accepted, is_accepted = _STOP_WHEN[name]
        if isinstance(number, bool) or not isinstance(number, int | float) or not is_accepted(number):
            raise SweepError(f"{key}.{name}={number}: {accepted} is accepted")
    return StopWhen(float(value["gain"]), value["trials"])
