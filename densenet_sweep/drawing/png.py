"""Pictures as PNG files by Matplotlib: no browser, no display, and nothing left behind in a long-lived worker."""

import math
import textwrap
import warnings
from io import BytesIO
from typing import Any

from densenet_sweep.drawing import parallel, theme
from densenet_sweep.drawing.scene import Axis, Band, Bars, Curves, Line, Mark, Panel, Parallel, Picture, Points, Surface

_MARKERS = {"circle": "o", "ring": "o", "cross": "x", "diamond": "D", "down": "v", "up": "^"}
_MOST_COLUMNS = 3
_LABEL_LENGTH = 24
# Letters of an axis's label.
LABEL = 44
# More letters on an x axis are rotated.
_MOST_LETTERS = 30
# Inches of a panel of rows.
_WIDE = 11.0
# Inches around everything.
_PAD = 0.14
_GAP = 0.05
# Inches of the numbers and the label beside a plain panel, and below it.
_LABEL_WIDTH = 0.74
_LABEL_HEIGHT = 0.42
# Inches of an entry of the legend: its key with the space around it, and each letter.
_KEY_WIDTH = 0.5
_LETTER_WIDTH = 0.09
# Larger numbers are too long for that; numbers that differ by a smaller share have too many digits.
_LONG_NUMBER = 1000.0
_FINE_STEP = 0.002


def draw(picture: Picture) -> bytes:
    """Return `picture` as the bytes of a PNG file."""
    # The object interface: pyplot would keep every figure of a long-lived worker alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    num_panels = len(picture.panels)
    columns = _num_columns(num_panels)
    rows = math.ceil(num_panels / columns)
    width, height = theme.SINGLE if num_panels == 1 else (theme.PANEL[0] * columns, theme.PANEL[1] * rows)
    if any(isinstance(mark, Bars) for mark in picture.panels[0].marks):
        height = 0.6 + 0.42 * len(picture.panels[0].y.ticks or ())
    elif picture.panels[0].y.is_rows:
        width, height = _WIDE, 0.8 + 0.26 * len(picture.panels[0].y.ticks or ())
    heading = _Heading(picture, width)
    height += heading.height
    figure = Figure(figsize=(width, height), dpi=theme.DPI, facecolor="white")
    FigureCanvasAgg(figure)
    room = (_PAD / width, _PAD / height, 1 - 2 * _PAD / width, 1 - (_PAD + heading.height) / height)
    is_by_hand = all(map(_is_plain, picture.panels))
    if not is_by_hand:
        figure.set_layout_engine("constrained", rect=room)
    for index, panel in enumerate(picture.panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        if is_by_hand:
            axes.set_position(_place(room, rows, columns, index, (width, height)))
        _draw_panel(figure, axes, panel)
        if index % columns and panel.y.label == picture.panels[index - 1].y.label:
            axes.set_ylabel("")
    heading.write(figure)
    file = BytesIO()
    with warnings.catch_warnings():
        # The font lacks emoji and East Asian letters: boxes stand in their places, which a warning would not change.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(file, format="png")
    return file.getvalue()


def _is_plain(panel: Panel) -> bool:
    """Return whether the texts around the panel have a known size: names in one line at most, no colour bar, short numbers.

    Otherwise Matplotlib lays out everything twice, which takes longer than drawing it.
    """
    if panel.title or panel.y.ticks is not None or _is_rotated(panel.x):
        return False
    if isinstance(panel.marks[0], Parallel):
        return True
    if any(isinstance(mark, Bars | Surface) for mark in panel.marks):
        return False
    values = [value for mark in panel.marks for value in _heights(mark)]
    largest = max(map(abs, values), default=math.inf)
    return largest < _LONG_NUMBER and max(values) - min(values) > _FINE_STEP * largest


def _names(axis: Axis) -> list[str]:
    """Return the names on an x axis, as they are written there."""
    return [shortened(text) for _, text in axis.ticks or ()]


def _is_rotated(axis: Axis) -> bool:
    """Return whether the names on an x axis are too long to stand beside each other."""
    return sum(map(len, _names(axis))) > _MOST_LETTERS


def _heights(mark: Mark) -> list[float]:
    if isinstance(mark, Curves):
        return [value for _, heights in mark.paths for value in heights]
    if isinstance(mark, Band):
        return [*mark.low, *mark.high]
    return list(mark.y) if isinstance(mark, Points | Line) else []


def _place(
    room: tuple[float, float, float, float], rows: int, columns: int, index: int, inches: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return the position of a plain panel's axes in fractions of the figure, like `room`, the area of all panels."""
    left, bottom, width, height = room
    row, column = divmod(index, columns)
    x, y = left + width * column / columns, bottom + height * (rows - 1 - row) / rows
    before, below, after, above = _LABEL_WIDTH / inches[0], _LABEL_HEIGHT / inches[1], _PAD / inches[0], _PAD / inches[1]
    return x + before, y + below, width / columns - before - after, height / rows - below - above


class _Heading:
    """Title, note and legend above the panels; `height` is theirs in inches."""

    def __init__(self, picture: Picture, width: float) -> None:
        self._title = textwrap.wrap(picture.title, int(width * 8.5))
        self._note = textwrap.wrap(picture.note, int(width * 12.5))
        self._marks = list(picture.legend())
        room = width - 2 * _PAD
        self._names = [shortened(mark.name, int((room - _KEY_WIDTH) / _LETTER_WIDTH)) for mark in self._marks]
        widths = [_KEY_WIDTH + _LETTER_WIDTH * len(name) for name in self._names]
        # Where one row does not take all, the columns are as wide as the longest name.
        self._num_columns = len(widths) if sum(widths) <= room else int(room / max(widths))
        num_rows = math.ceil(len(widths) / max(self._num_columns, 1))
        self._heights = (0.26 * len(self._title), 0.17 * len(self._note), 0.22 * num_rows)
        self.height = _PAD + sum(height + _GAP for height in self._heights if height)

    def write(self, figure: Any) -> None:
        from matplotlib.lines import Line2D

        left, inch = _PAD / figure.get_figwidth(), 1 / figure.get_figheight()
        top = 1 - _PAD * inch
        for lines, height, size, colour, weight in (
            (self._title, self._heights[0], 13, theme.TEXT, "bold"),
            (self._note, self._heights[1], 9, theme.NOTE, "normal"),
        ):
            if lines:
                text = "\n".join(lines)
                figure.text(left, top, text, va="top", fontsize=size, color=colour, weight=weight, parse_math=False)
                top -= (height + _GAP) * inch
        if self._marks:
            legend = figure.legend(
                handles=[Line2D([], [], label=name, **_key(mark)) for name, mark in zip(self._names, self._marks, strict=True)],
                loc="upper left", bbox_to_anchor=(left, top), frameon=False, fontsize=9, borderpad=0.0, borderaxespad=0.0,
                ncols=self._num_columns, handletextpad=0.5, columnspacing=1.4,
            )  # fmt: skip
            legend.set_in_layout(False)
            for text in legend.get_texts():
                text.set_parse_math(False)


def style_axes(axes: Any) -> None:
    """Style `axes`: two spines, a quiet grid, dark grey text."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=theme.GRID, linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.NOTE)
    axes.tick_params(colors=theme.TEXT, labelsize=9, which="both", color=theme.NOTE)


def _num_columns(num_panels: int) -> int:
    return 2 if num_panels in (2, 4) else min(num_panels, _MOST_COLUMNS)


def _key(mark: Points | Line | Curves | Band) -> dict[str, Any]:
    if isinstance(mark, Band):
        return {"color": mark.colour, "linewidth": 7.0, "alpha": mark.opacity}
    if not isinstance(mark, Points):
        return {"color": mark.colour, "linewidth": 2.0, "linestyle": "--" if isinstance(mark, Line) and mark.is_dashed else "-"}
    face = "none" if mark.symbol == "ring" else mark.colour
    look_of_it = {"color": mark.colour, "marker": _MARKERS[mark.symbol], "markerfacecolor": face}
    return {**look_of_it, "linestyle": "none", "markersize": 6}


def _draw_panel(figure: Any, axes: Any, panel: Panel) -> None:
    if isinstance(panel.marks[0], Parallel):
        _draw_parallel(axes, panel.marks[0])
        return
    style_axes(axes)
    for mark in panel.marks:
        _draw_mark(figure, axes, mark)
    _set_axis(axes, axes.xaxis, panel.x, is_x=True)
    _set_axis(axes, axes.yaxis, panel.y, is_x=False)
    if panel.title:
        axes.set_title(panel.title, loc="left", fontsize=10, color=theme.TEXT, parse_math=False)


def _draw_mark(figure: Any, axes: Any, mark: Mark) -> None:
    if isinstance(mark, Points):
        face = "none" if mark.symbol == "ring" else mark.colour
        edge = mark.edge or ("white" if mark.symbol not in ("ring", "cross") else mark.colour)
        axes.scatter(
            mark.x, mark.y, s=mark.size**2, marker=_MARKERS[mark.symbol], alpha=mark.opacity, zorder=3, clip_on=False,
            **({"color": mark.colour} if mark.symbol == "cross" else {"facecolors": face, "edgecolors": edge}),
            linewidths=1.3 if mark.symbol in ("ring", "cross") else 0.8 if mark.edge else 0.4,
        )  # fmt: skip
        for x, y, text in zip(mark.x, mark.y, mark.texts, strict=False):
            above = 1 if mark.symbol == "down" else -1
            axes.annotate(
                text, (x, y), xytext=(0, 7 * above), textcoords="offset points", ha="center",
                va="bottom" if above > 0 else "top", fontsize=8, color=theme.TEXT, parse_math=False,
            )  # fmt: skip
    elif isinstance(mark, Line):
        axes.plot(
            mark.x, mark.y, color=mark.colour, linewidth=mark.width, alpha=mark.opacity,
            drawstyle="steps-post" if mark.is_step else "default", linestyle="--" if mark.is_dashed else "-",
        )  # fmt: skip
    elif isinstance(mark, Curves):
        from matplotlib.collections import LineCollection

        paths = [list(zip(*path, strict=True)) for path in mark.paths]
        axes.add_collection(LineCollection(paths, colors=mark.colour, linewidths=mark.width, alpha=mark.opacity))
        axes.autoscale_view()
    elif isinstance(mark, Band):
        axes.fill_between(mark.x, mark.low, mark.high, color=mark.colour, alpha=mark.opacity, linewidth=0)
    elif isinstance(mark, Bars):
        axes.barh(range(len(mark.values)), mark.values, color=mark.colour, height=0.62)
        axes.set_xlim(0, max(mark.values) * 1.15)
        for index, (value, text) in enumerate(zip(mark.values, mark.texts, strict=True)):
            axes.text(value, index, f" {text}", va="center", fontsize=9, color=theme.TEXT, parse_math=False)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
    elif isinstance(mark, Surface):
        _draw_surface(figure, axes, mark)


def _draw_surface(figure: Any, axes: Any, mark: Surface) -> None:
    import numpy as np

    z = np.ma.masked_invalid(np.asarray(mark.z, dtype=float))
    drawn = axes.contourf(mark.x, mark.y, z, levels=14, cmap=theme.SURFACE)
    bar = figure.colorbar(drawn, ax=axes, pad=0.02)
    bar.set_label(mark.label, fontsize=9, color=theme.TEXT, parse_math=False)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)
    axes.grid(visible=False)


def _draw_parallel(axes: Any, mark: Parallel) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    drawn = parallel.figure(mark)
    lines, colours = [], []
    quiet, strong = to_rgb(theme.GREY), to_rgb(mark.colour)
    for places, shade in zip(zip(*drawn["columns"], strict=True), mark.shades, strict=True):
        lines.append([(index, place) for index, place in enumerate(places) if place is not None])
        mixed = [(1 - shade) * one + shade * other for one, other in zip(quiet, strong, strict=True)]
        colours.append((*mixed, 0.25 + 0.75 * shade))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=[1 + shade for shade in mark.shades]))
    for index, axis in enumerate(drawn["axes"]):
        axes.axvline(index, color=theme.NOTE, linewidth=1)
        for place, text in axis["ticks"]:
            side = -1 if index == len(drawn["axes"]) - 1 else 1
            axes.annotate(
                shortened(text, 14), (index, place), xytext=(-4 * side, 0), textcoords="offset points", va="center",
                ha="right" if side > 0 else "left", fontsize=8, color=theme.TEXT, parse_math=False,
            )  # fmt: skip
    axes.set_xlim(-0.45, len(drawn["axes"]) - 0.55)
    axes.set_ylim(-0.03, 1.03)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.set_xticks(
        range(len(drawn["axes"])), [shortened(it["label"].rpartition(".")[2], 18) for it in drawn["axes"]],
        fontsize=9, color=theme.TEXT, parse_math=False,
    )  # fmt: skip


def _set_axis(axes: Any, which: Any, axis: Axis, *, is_x: bool) -> None:
    from matplotlib import ticker

    set_label, set_scale, set_limits = (
        (axes.set_xlabel, axes.set_xscale, axes.set_xlim) if is_x else (axes.set_ylabel, axes.set_yscale, axes.set_ylim)
    )
    set_label(shortened(axis.label, LABEL), fontsize=10, color=theme.TEXT, parse_math=False)
    if axis.is_log:
        set_scale("log")
        decades = math.log10(axis.limits[1] / axis.limits[0]) if axis.limits else 1.0
        which.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
        which.set_minor_formatter(ticker.NullFormatter())
    if axis.limits is not None:
        set_limits(*axis.limits)
    if axis.ticks is not None:
        names = _names(axis) if is_x else [shortened(text, 2 * _LABEL_LENGTH) for _, text in axis.ticks]
        which.set_minor_locator(ticker.NullLocator())
        which.set_ticks([place for place, _ in axis.ticks], names, parse_math=False)
        if is_x and _is_rotated(axis):
            axes.tick_params(axis="x", labelrotation=30)
            for label in axes.get_xticklabels():
                label.set_ha("right")
    elif axis.is_short:
        which.set_major_formatter(ticker.EngFormatter(sep=""))
    elif axis.is_log:
        which.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    elif axis.is_whole:
        which.set_major_locator(ticker.MaxNLocator(integer=True))


def shortened(text: str, length: int = _LABEL_LENGTH) -> str:
    """Return `text`, cut in the middle where it is longer than `length`."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
