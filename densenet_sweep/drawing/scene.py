"""What a picture shows: panels with axes and marks, as immutable values.

A place on a category axis is the position of the category; its name belongs to the axis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Symbol = Literal["circle", "ring", "cross", "diamond", "down", "up"]


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: what it measures, with its unit.
        is_log: a logarithmic scale.
        limits: the part that is shown, in the axis's own unit; None leaves it to the marks.
        ticks: positions and texts; None for round numbers.
        is_whole: whole numbers only, so no ticks between them.
        is_short: large numbers are written as 80k.
        is_rows: each tick is a row, and the height of the panel follows from their number.
    """

    label: str
    is_log: bool = False
    limits: tuple[float, float] | None = None
    ticks: tuple[tuple[float, str], ...] | None = None
    is_whole: bool = False
    is_short: bool = False
    is_rows: bool = False


@dataclass(frozen=True)
class Points:
    """Marks at places; `about` holds their hover texts, `name` is for the legend, `edge` is a colour.

    `ids` say what each mark stands for, so that a page can find it in every picture; `texts` stand beside the marks.
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    name: str = ""
    symbol: Symbol = "circle"
    size: float = 6.0
    opacity: float = 0.8
    about: Sequence[str] = ()
    edge: str | None = None
    ids: Sequence[int] = ()
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Line:
    """A line through places; `is_step` holds each value until the next place."""

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    name: str = ""
    width: float = 2.0
    opacity: float = 1.0
    is_step: bool = False
    is_dashed: bool = False


@dataclass(frozen=True)
class Curves:
    """Many lines of one kind, one entry in the legend; `about` and `ids` name each."""

    paths: Sequence[tuple[Sequence[float], Sequence[float]]]
    colour: str
    name: str
    width: float = 1.2
    opacity: float = 0.6
    about: Sequence[str] = ()
    ids: Sequence[int] = ()


@dataclass(frozen=True)
class Band:
    """An area between two lines over the places `x`."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    colour: str
    name: str = ""
    opacity: float = 0.22


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, the first at the top, each with a text at its end; labels are the ticks of the axis `y`."""

    values: Sequence[float]
    texts: Sequence[str]
    colour: str


@dataclass(frozen=True)
class Surface:
    """A quantity over a grid, `z[row][column]` at (`x[column]`, `y[row]`), NaN where nothing is known."""

    x: Sequence[float]
    y: Sequence[float]
    z: Sequence[Sequence[float]]
    label: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: each of `rows` is a line with a place on each of `axes`, or None where it has none.

    `shades` are from 0, quiet, to 1, the colour of the picture; the last rows are drawn on top. Every axis has limits.
    """

    axes: Sequence[Axis]
    rows: Sequence[Sequence[float | None]]
    shades: Sequence[float]
    colour: str
    about: Sequence[str] = ()
    ids: Sequence[int] = ()


Mark = Points | Line | Curves | Band | Bars | Surface | Parallel


@dataclass(frozen=True)
class Panel:
    """Two axes and the marks between them, drawn in order."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""


@dataclass(frozen=True)
class Picture:
    """One picture; `name` is its file's, `title` is its subject, `note` is how to read it, `hint` what a page lets one do."""

    name: str
    title: str
    note: str
    panels: tuple[Panel, ...]
    hint: str = ""

    def legend(self) -> Iterator[Points | Line | Curves | Band]:
        """Yield one mark of each name, the topmost first."""
        seen = set()
        for panel in self.panels:
            for mark in reversed(panel.marks):
                if isinstance(mark, Points | Line | Curves | Band) and mark.name and mark.name not in seen:
                    seen.add(mark.name)
                    yield mark
