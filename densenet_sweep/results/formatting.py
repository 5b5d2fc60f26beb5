"""Names and numbers as the tables show them."""

from collections.abc import Sequence
from typing import Any


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last parts of override paths where they tell the parameters apart."""
    last = [name.rpartition(".")[2] for name in names]
    return last if len(set(last)) == len(last) else list(names)


def value(number: float) -> str:
    """Return an objective's value: four decimals, or whole where it is large."""
    return f"{number:.4f}" if abs(number) < 1000 else f"{number:,.0f}"


def cell(content: Any) -> str:
    """Return what a parameter, a count or seconds look like in a table; nothing for None."""
    if content is None:
        return ""
    if isinstance(content, float):
        return f"{content:.4g}" if abs(content) < 1000 else f"{content:,.0f}"
    return f"{content:,}" if isinstance(content, int) and not isinstance(content, bool) else str(content)
