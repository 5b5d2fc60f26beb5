"""Parallel coordinates for a browser: places along each axis from 0 to 1, which the page's own script draws."""

import math
from typing import Any

from densenet_sweep.drawing.scene import Axis, Parallel
from densenet_sweep.drawing.ticks import decimals, round_places, round_step

_NUM_TICKS = 6


def figure(mark: Parallel) -> dict[str, Any]:
    """Return the axes with their ticks, and the lines, as the page's script takes them."""
    columns = [[axis_share(axis, row[index]) for row in mark.rows] for index, axis in enumerate(mark.axes)]
    return {
        "axes": [{"label": axis.label, "ticks": ticks(axis)} for axis in mark.axes],
        "columns": columns,
        "shades": [round(shade, 3) for shade in mark.shades],
        "colour": mark.colour,
        "about": list(mark.about),
        "ids": list(mark.ids),
    }


def axis_share(axis: Axis, place: float | None) -> float | None:
    """Return how far along the axis a place is, from 0 to 1; places beyond the axis stand at its ends, None has none."""
    if place is None:
        return None
    assert axis.limits is not None
    low, high = axis.limits
    if axis.is_log:
        place = math.log(max(place, low))
        low, high = math.log(low), math.log(high)
    return round(min(max((place - low) / (high - low), 0.0), 1.0), 4)


def ticks(axis: Axis) -> list[tuple[float | None, str]]:
    """Return the share and the text of each tick."""
    assert axis.limits is not None
    if axis.ticks is not None:
        return [(axis_share(axis, place), text) for place, text in axis.ticks]
    low, high = axis.limits
    if axis.is_log:
        places = round_places(low, high)
        form = "g"
    else:
        step = round_step((high - low) / _NUM_TICKS)
        places = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
        form = decimals(step)
    return [(axis_share(axis, place), _short(place) if axis.is_short else f"{place:{form}}") for place in places]


def _short(place: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(place) >= size:
            return f"{place / size:g}{letter}"
    return f"{place:g}"
