"""Names and numbers as the tables show them."""

from collections.abc import Collection, Sequence
from typing import Any

from densenet_sweep.counts import counted


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each override path if these are unique, else the whole paths."""
    last = [name.rpartition(".")[2] for name in names]
    return last if len(set(last)) == len(last) else list(names)


def headings(searched: Sequence[str], own: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the headings of the searched parameters and of a table's own columns, no two of them alike.

    A parameter whose last part is that of a column has its whole path, and the column of a parameter of one part another name.
    """
    short = [name if last in own else last for name, last in zip(searched, short_names(searched), strict=True)]
    return short, [beside(name, searched) for name in own]


def beside(own: str, searched: Collection[str]) -> str:
    """Return the name of a column of ours beside those of the searched parameters, which keep theirs."""
    return beside(f"trial.{own}", searched) if own in searched else own


def value(number: float) -> str:
    """Return an objective's value as text: four decimals, or none if it is large."""
    return f"{number:.4f}" if abs(number) < 1000 else f"{number:,.0f}"


def duration(seconds: float | None, *, in_words: bool = False) -> str:
    """Return a duration such as "45 s", "3 min" or "1.5 h", or in words, rounded: "3 minutes"; empty for None."""
    if seconds is None:
        return ""
    if seconds < 119.5:
        return counted(round(seconds), "second") if in_words else f"{seconds:.3g} s"
    if seconds < 7200:
        return counted(round(seconds / 60), "minute") if in_words else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} {'hours' if in_words else 'h'}"


def cell(content: Any) -> str:
    """Return a parameter, a count or seconds as a table shows it; empty for None."""
    if content is None:
        return ""
    if isinstance(content, float):
        return f"{content:.4g}" if abs(content) < 1000 else f"{content:,.0f}"
    return f"{content:,}" if isinstance(content, int) and not isinstance(content, bool) else str(content)
