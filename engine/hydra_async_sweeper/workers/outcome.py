"""What became of a trial, from what its job returned or raised."""

import gc
import math
from collections.abc import Mapping
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from hydra_async_sweeper.hydra_private import returned_by
from hydra_async_sweeper.readable import counted, first_line, one_line, unwrapped
from hydra_async_sweeper.scalars import real, shown
from hydra_async_sweeper.study.passwords import scrubbed
from hydra_async_sweeper.trial import TrialPruned

_LONGEST_REASON = 500  # characters; it appears in tables and tags


def outcome_of(returned: JobReturn, num_objectives: int) -> tuple[str, Any, str | None]:
    """Return the state, the value and the reason of a trial from what its job returned."""
    value = returned_by(returned)
    value = unwrapped(value) if isinstance(value, Exception) else value
    if returned.status is JobStatus.COMPLETED:
        numbers = _numbers(value, num_objectives)
        if len(numbers) == num_objectives and not any(map(math.isnan, numbers)):
            return "COMPLETE", numbers[0] if num_objectives == 1 else numbers, None
        return "FAIL", None, f"returned {_shown(value)} instead of {counted(num_objectives, 'number')}"
    if isinstance(value, TrialPruned) or type(value).__name__ == "TrialPruned":
        return "PRUNED", None, _message(value)
    message = _message(value)
    if message is None:
        return "FAIL", None, type(value).__name__
    reason = _shortened(scrubbed(one_line(value)), _LONGEST_REASON)
    if type(value).__name__ == "OutOfMemoryError" or "out of memory" in message.lower():
        reason = _shortened(f"out of memory: {scrubbed(first_line(value))}", _LONGEST_REASON)
        # The error's traceback holds the tensors that filled the memory.
        returned.return_value = value = None
        gc.collect()
    return "FAIL", None, reason


def _message(error: Any) -> str | None:
    try:
        return str(error)
    except Exception:  # of the error's own method
        return None


def _numbers(value: Any, num_objectives: int) -> list[float]:
    """Return the numbers in what a task returned: all that `float` takes, such as tensors, 0-d arrays and numeric text.

    An infinity is a value, as in Optuna. Anything else gives no numbers.
    """
    try:
        if getattr(value, "ndim", 0):  # NumPy and pandas warn where `float` takes an array of one number
            value = value.reshape(-1).tolist() if hasattr(value, "reshape") else list(value)
        if num_objectives == 1 and not isinstance(value, list | tuple):
            return [real(value)]
        return [] if isinstance(value, str | bytes | Mapping) else [real(item) for item in value]
    except Exception:  # of the value's own methods, or a warning that the user has made an error
        return []


def _shown(value: Any) -> str:
    return _shortened(shown(value), _LONGEST_REASON // 2)


def _shortened(text: str, longest: int) -> str:
    """Return `text` on one line, cut after `longest` characters, words or not."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 4].rstrip()} ..."
