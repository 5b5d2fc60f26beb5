"""Numbers as tasks have them: Python's, NumPy's and PyTorch's."""

import operator
from typing import Any


def real(value: Any) -> float:
    """Return `float(value)`; NumPy only warns where that drops an imaginary part, and PyTorch of a tensor with a gradient.

    Raises:
        Exception: it is no number.
    """
    if isinstance(value, float | int):
        return float(value)
    from numpy import generic, iscomplexobj, ndarray

    if isinstance(value, ndarray | generic) and iscomplexobj(value):
        raise TypeError("a complex number")
    return float(value.detach() if hasattr(value, "detach") else value)


def reported(value: Any, step: Any) -> tuple[float, int]:
    """Return a reported value and its step as a storage keeps them.

    Raises:
        ValueError: they are no number, or no whole number from 0, which the message says.
    """
    try:
        number = real(value)
    except Exception:
        raise ValueError(f"report: value={shown(value)}: a number is accepted") from None
    whole = _whole(step)
    if whole is None or whole < 0:
        raise ValueError(f"report: step={shown(step)}: a whole number from 0 is accepted")
    return number, whole


def _whole(number: Any) -> int | None:
    try:
        return operator.index(number)
    except TypeError:
        try:
            is_whole = not isinstance(number, str | bytes) and real(number).is_integer()
        except Exception:  # of the value's own methods
            return None
        return int(real(number)) if is_whole else None


def shown(value: Any) -> str:
    """Return `repr(value)`, or the type where that fails, as it does for numbers of thousands of digits."""
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
