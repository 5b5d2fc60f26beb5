"""Names and numbers as the tables show them."""

from collections.abc import Sequence
from typing import Any


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each override path if these are unique, else the whole paths."""
    last = [name.rpartition(".")[2] for name in names]
    return last if len(set(last)) == len(last) else list(names)


def value(number: float) -> str:
    """Return an objective's value as text: four decimals, or none if it is large."""
    return f"{number:.4f}" if abs(number) < 1000 else f"{number:,.0f}"


def cell(content: Any) -> str:
    """Return a parameter, a count or seconds as a table shows it; empty for None."""
    if content is None:
        return ""
    if isinstance(content, float):
        return f"{content:.4g}" if abs(content) < 1000 else f"{content:,.0f}"
    return f"{content:,}" if isinstance(content, int) and not isinstance(content, bool) else str(content)
