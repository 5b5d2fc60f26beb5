"""Pictures for a browser: the data and layouts that plotly.js draws, one per panel, so that a page can arrange them.

All texts are escaped, as plotly.js interprets a few HTML tags.
"""

import math
from collections.abc import Sequence
from typing import Any

from densenet_sweep.drawing import parallel, theme
from densenet_sweep.drawing.png import LABEL, shortened
from densenet_sweep.drawing.scene import Axis, Band, Bars, Curves, Line, Mark, Panel, Parallel, Picture, Points, Surface
from densenet_sweep.drawing.ticks import decimals, is_number, number, round_places, round_step, text_of

_SYMBOLS = {
    "circle": "circle",
    "ring": "circle-open",
    "cross": "x-thin-open",
    "diamond": "diamond",
    "down": "triangle-down",
    "up": "triangle-up",
}
_HEIGHT = 420
_PANEL_HEIGHT = 320
_NUM_LEVELS = 14
# As many decimals as the distance between ticks needs, which plotly.js chooses by the height, and again for a zoomed part.
_DECIMALS = [{"dtickrange": [0.9, None], "value": ".0f"}] + [
    {"dtickrange": [number(0.9 * 10.0**-places), number(9 * 10.0**-places)], "value": f".{places}f"} for places in range(1, 10)
]
_WIDTH_OF_BARS = 5.0


def figures(picture: Picture) -> list[dict[str, Any]]:
    """Return a plotly.js figure for each panel; the page sets the colours of text and background.

    Parallel coordinates, which the page draws itself, are `{"parallel": ...}`.
    """
    height = _HEIGHT if len(picture.panels) == 1 else _PANEL_HEIGHT
    if any(isinstance(mark, Bars) for mark in picture.panels[0].marks):
        height = 90 + 34 * len(picture.panels[0].y.ticks or ())
    elif picture.panels[0].y.is_rows:
        height = 80 + 22 * len(picture.panels[0].y.ticks or ())
    return [
        {"parallel": parallel.figure(panel.marks[0])} if isinstance(panel.marks[0], Parallel) else _figure(panel, height)
        for panel in picture.panels
    ]


def _figure(panel: Panel, height: int) -> dict[str, Any]:
    data = [trace for mark in panel.marks for trace in _traces(mark)]
    layout: dict[str, Any] = {
        "height": height,
        "margin": {"l": 64, "r": 16, "t": 34 if panel.title else 12, "b": 48},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": _axis(panel.x, 24),
        "yaxis": _axis(panel.y, 48),
    }
    if panel.title:
        layout["title"] = {"text": text_of(panel.title), "font": {"size": 13}, "x": 0, "xref": "paper", "xanchor": "left"}
    if any(isinstance(mark, Bars) for mark in panel.marks):
        layout["yaxis"] |= {"autorange": "reversed", "automargin": True, "showgrid": False}
        layout["margin"]["r"] = 40
    return {"data": data, "layout": layout}


def _axis(axis: Axis, length: int) -> dict[str, Any]:
    # Only names need a margin of unknown width; plotly.js measures it again and again.
    is_named = axis.ticks is not None and any(not is_number(text) for _, text in axis.ticks)
    title = {"text": text_of(shortened(axis.label, LABEL)), "standoff": 8}
    drawn: dict[str, Any] = {"title": title, "automargin": is_named, "zeroline": False}
    if axis.limits is not None:
        drawn["range"] = _range(axis.limits, is_log=axis.is_log)
    if axis.is_log:
        drawn["type"] = "log"
        if axis.limits is not None:
            places = round_places(*axis.limits)
            drawn["tickvals"] = places
            if not axis.is_short:
                drawn["ticktext"] = [f"{place:g}" for place in places]
    if axis.is_short:
        drawn["tickformat"] = "~s"
    if axis.ticks is not None:
        drawn |= {
            "tickmode": "array",
            "tickvals": [place for place, _ in axis.ticks],
            "ticktext": [text_of(shortened(text, length)) for _, text in axis.ticks],
        }
    elif axis.is_whole:
        drawn["tickformat"] = "~s" if axis.is_short else "d"
        if axis.limits is not None and axis.limits[1] - axis.limits[0] < _NUM_LEVELS:
            drawn["dtick"] = 1
    elif axis.limits is not None and not axis.is_log and not axis.is_short:
        drawn["tickformatstops"] = _DECIMALS
    return drawn


def _range(limits: tuple[float, float], *, is_log: bool) -> list[float]:
    """Return the axis range, rounded like the marks and a hair wider, or plotly.js would leave out those at its edges."""
    low, high = (math.log10(number(limit)) if is_log else number(limit) for limit in limits)
    hair = 1e-9 * max(abs(low), abs(high), high - low)
    return [low - hair, high + hair]


def _traces(mark: Mark) -> list[dict[str, Any]]:
    if isinstance(mark, Points):
        # An opacity of its own would make each mark a layer that the browser composes: with thousands, 0.1 to 0.5 s a frame.
        colour = f"{mark.colour}{round(255 * mark.opacity):02x}"
        marker: dict[str, Any] = {"color": colour, "opacity": 1.0, "size": mark.size * 1.25, "symbol": _SYMBOLS[mark.symbol]}
        marker["line"] = {"width": 1.5 if mark.symbol in ("ring", "cross") else float(bool(mark.edge))}
        if mark.symbol == "cross":
            marker["line"]["color"] = colour
        elif mark.edge:
            marker["line"]["color"] = mark.edge
        trace: dict[str, Any] = {
            "type": "scatter",
            "mode": "markers",
            "x": _numbers(mark.x),
            "y": _numbers(mark.y),
            "marker": marker,
        }
        trace |= {"name": text_of(mark.name), **_about(mark.about), "cliponaxis": False}
        return [trace | ({"customdata": list(mark.ids)} if mark.ids else {}) | _texts(mark)]
    if isinstance(mark, Line):
        line = {"color": mark.colour, "width": mark.width, "dash": "dash" if mark.is_dashed else "solid"}
        line["shape"] = "hv" if mark.is_step else "linear"
        trace = {"type": "scatter", "mode": "lines", "x": _numbers(mark.x), "y": _numbers(mark.y), "line": line}
        return [{**trace, "name": text_of(mark.name), "opacity": mark.opacity, "hoverinfo": "skip"}]
    if isinstance(mark, Curves):
        return [_curves(mark)]
    if isinstance(mark, Band):
        x, y = [*mark.x, *reversed(mark.x)], [*mark.high, *reversed(mark.low)]
        area = {"fill": "toself", "fillcolor": mark.colour, "opacity": mark.opacity, "line": {"width": 0}}
        trace = {"type": "scatter", "mode": "lines", "x": _numbers(x), "y": _numbers(y), "name": text_of(mark.name)}
        return [{**trace, **area, "hoverinfo": "skip"}]
    if isinstance(mark, Bars):
        trace = {"type": "bar", "orientation": "h", "x": _numbers(mark.values), "y": list(range(len(mark.values)))}
        texts = {"text": [text_of(text) for text in mark.texts], "textposition": "outside", "cliponaxis": False}
        return [{**trace, **texts, "marker": {"color": mark.colour}, "hoverinfo": "skip", "width": 0.62}]
    assert isinstance(mark, Surface)
    return [_surface(mark)]


def _texts(mark: Points) -> dict[str, Any]:
    """Return the texts beside the marks, on the side that their arrows do not point to; the hover texts move over for them."""
    if not mark.texts:
        return {}
    side = "top center" if mark.symbol == "down" else "bottom center"
    shown = {"mode": "markers+text", "text": [text_of(text) for text in mark.texts], "textposition": side}
    return {**shown, "hovertext": _about(mark.about).get("text", []), "hovertemplate": "%{hovertext}<extra></extra>"}


def _curves(mark: Curves) -> dict[str, Any]:
    """Return all lines as one trace with gaps: a trace for each would take the browser seconds."""
    x: list[float | None] = []
    y: list[float | None] = []
    about: list[str] = []
    ids: list[int] = []
    for index, (xs, ys) in enumerate(mark.paths):
        ids += [mark.ids[index]] * (len(xs) + 1) if mark.ids else []
        x += [*_numbers(xs), None]
        y += [*_numbers(ys), None]
        about += [mark.about[index] if mark.about else ""] * (len(xs) + 1)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "name": text_of(mark.name),
        # A bar that is shorter than a pixel would be simplified away.
        "line": {"color": mark.colour, "width": mark.width, "simplify": mark.width < _WIDTH_OF_BARS},
        "opacity": mark.opacity,
        "connectgaps": False,
        **({"customdata": ids} if ids else {}),
        **_about(about),
    }


def _surface(mark: Surface) -> dict[str, Any]:
    known = [value for row in mark.z for value in row if not math.isnan(value)]
    low, high = min(known), max(known)
    size = round_step((high - low) / _NUM_LEVELS)
    start, end = math.ceil(low / size) * size, math.floor(high / size) * size
    z = [[None if math.isnan(value) else number(value) for value in row] for row in mark.z]
    return {
        "type": "contour",
        "x": _numbers(mark.x),
        "y": _numbers(mark.y),
        "z": z,
        "colorscale": theme.SURFACE.capitalize(),
        "autocontour": False,
        "contours": {"start": number(start), "end": number(end), "size": number(size)},
        "zmin": number(low),
        "zmax": number(high),
        "line": {"width": 0},
        "colorbar": {
            "title": {"text": text_of(mark.label), "side": "right"},
            "thickness": 14,
            "outlinewidth": 0,
            "tickformat": decimals(size),
        },
        "hoverinfo": "skip",
    }


def _about(texts: Sequence[str]) -> dict[str, Any]:
    if not any(texts):
        return {"hoverinfo": "skip"}
    return {"text": ["<br>".join(map(text_of, text.split("\n"))) for text in texts], "hovertemplate": "%{text}<extra></extra>"}


def _numbers(values: Sequence[float]) -> list[float]:
    return [number(value) for value in values]
