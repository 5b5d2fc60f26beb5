"""What the search found: which parameters matter, and where in their ranges the good values lie."""

import math
import random
from typing import TYPE_CHECKING

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Bars, Panel, Picture, Points, Surface
from densenet_sweep.report.pictures.marks import axis_of, points
from densenet_sweep.report.pictures.subject import Subject, parameter_axis, shown_of
from densenet_sweep.results.study import Trial, range_of

if TYPE_CHECKING:
    from densenet_sweep.report.pictures.subject import Objective

_MOST_PANELS = 12
_MOST_POINTS = 800
_MOST_BARS = 20
# Share of a category's width; without it, points of one choice would hide each other.
_JITTER = 0.18
_GRID = 100
_FEWEST_FOR_A_SURFACE = 6
# With more places, only the best of each cell of a coarse grid is drawn, or the surface would show each trial's noise.
_MOST_SPOTS = 80
_CELLS = 9


def importance(subject: Subject) -> Picture | None:
    """Return each parameter's share of the importance."""
    shares = dict(list(subject.shares.items())[:_MOST_BARS])
    if len(shares) < 2:
        return None
    first, second = list(shares)[:2]
    name = first.rpartition(".")[2] or first
    title = f"{subject.metric.words.capitalize()} {subject.fidelity} depended most on {name}"
    if shares[first] < 1.2 * shares[second]:
        title += f" and {second.rpartition('.')[2]}"
    bars = Bars(list(shares.values()), [f"{share:.2f}" for share in shares.values()], theme.BLUE)
    ticks = tuple((float(index), key) for index, key in enumerate(shares))
    panel = Panel(
        Axis("importance (shares, 1 in all)", limits=(0.0, 1.15 * max(shares.values()))), Axis("", ticks=ticks), (bars,)
    )
    return Picture("importance", title, f"PED-ANOVA. {subject.of_complete()}", (panel,))


def slices(subject: Subject) -> Picture | None:
    """Return the objective against each parameter that varied, over the whole range that was searched."""
    objective = subject.metric
    valued = [trial for trial in subject.complete() if objective.value(trial) is not None]
    names = [name for name in subject.varied if len({repr(t.params[name]) for t in valued if name in t.params}) > 1]
    if len(valued) < 3 or not names:
        return None
    axis = axis_of(subject, objective, valued)
    shown = names[:_MOST_PANELS]
    panels = []
    for name in shown:
        place_axis, place = parameter_axis(name, valued)
        shift = 0.0 if range_of(name, valued).is_numeric else _JITTER
        places = {
            trial.number: place(trial.params[name]) + shift * random.Random(trial.number).uniform(-1, 1)
            for trial in valued
            if name in trial.params
        }
        marks = tuple(points(subject, objective, (place_axis, axis), places, _MOST_POINTS))
        panels.append(Panel(place_axis, axis, marks))
    what = "the searched parameter" if len(names) == 1 else "each searched parameter"
    if len(shown) < len(names):
        what = f"{len(shown)} of {counted(len(names), 'searched parameter')}"
    drawn = shown_of(min(len(valued), _MOST_POINTS), len(valued))
    title = f"{objective.words.capitalize()} {subject.fidelity} against {what}{drawn}"
    order = "The most important comes first. " if subject.shares and len(names) > 1 else ""
    meaning = "Good trials in one place of a range say that it matters; everywhere, that it does not."
    return Picture("slices", title, f"{subject.of_complete()} {order}{meaning}{subject.error_note()}", tuple(panels))


def contour(subject: Subject) -> Picture | None:
    """Return the best objective over growth rate and depth, or over the two most important numeric parameters."""
    objective = subject.metric
    complete = [trial for trial in subject.complete() if objective.value(trial) is not None]
    pair = _pair(subject)
    if pair is None:
        return None
    (x_axis, x_place), (y_axis, y_place) = (parameter_axis(name, complete) for name in pair)
    best: dict[tuple[float, float], float] = {}
    trial_at: dict[tuple[float, float], Trial] = {}
    for trial in complete:
        if not all(name in trial.params for name in pair):
            continue
        spot, value = (x_place(trial.params[pair[0]]), y_place(trial.params[pair[1]])), trial.values[0]
        if spot not in best or objective.best([best[spot], value]) != best[spot]:
            best[spot], trial_at[spot] = value, trial
    if len(best) > _MOST_SPOTS:
        best = _best_of_each_cell(best, x_axis, y_axis, objective)
    surface = _surface(best, x_axis, y_axis, objective) if len(best) >= _FEWEST_FOR_A_SURFACE else None
    if surface is None:
        return None
    spots = list(best)
    texts, ids = [subject.about(trial_at[spot]) for spot in spots], [trial_at[spot].number for spot in spots]
    x, y = [x for x, _ in spots], [y for _, y in spots]
    dots = Points(x, y, "#ffffff", size=4.5, opacity=0.9, about=texts, edge=theme.TEXT, ids=ids)
    top = max(spots, key=lambda spot: best[spot] if objective.is_maximized else -best[spot])
    about = [subject.about(trial_at[top])]
    star = Points([top[0]], [top[1]], theme.RED, "the best trial", "diamond", 9, 1.0, about, "#ffffff", [trial_at[top].number])
    short = [name.rpartition(".")[2].replace("_", " ") for name in pair]
    title = f"{objective.words.capitalize()} {subject.fidelity} over {short[0]} and {short[1]}"
    note = f"{subject.of_complete()} The best at each place (dots), and straight lines between them."
    return Picture("contour", title, note, (Panel(x_axis, y_axis, (surface, dots, star)),))


def _pair(subject: Subject) -> tuple[str, str] | None:
    """Return the two numeric parameters to draw against each other: growth rate and depth, or the two most important."""
    complete = subject.complete()
    names = [
        name
        for name in subject.varied
        if range_of(name, subject.trials).is_numeric and sum(name in trial.params for trial in complete) > 1
    ]
    growth = next((name for name in names if name.endswith("growth_rate")), None)
    depth = next((name for name in names if name.rpartition(".")[2] == "depth"), None)
    if growth is not None and depth is not None:
        return growth, depth
    return (names[0], names[1]) if len(names) > 1 else None


def _best_of_each_cell(
    best: dict[tuple[float, float], float], x_axis: Axis, y_axis: Axis, objective: "Objective"
) -> dict[tuple[float, float], float]:
    cells: dict[tuple[int, int], tuple[float, float]] = {}
    for spot, value in best.items():
        cell = (int(_CELLS * _share(x_axis, spot[0])), int(_CELLS * _share(y_axis, spot[1])))
        if cell not in cells or objective.best([best[cells[cell]], value]) == value:
            cells[cell] = spot
    return {spot: best[spot] for spot in cells.values()}


def _share(axis: Axis, place: float) -> float:
    """Return how far along the axis `place` is, from 0 to 1."""
    assert axis.limits is not None
    low, high = axis.limits
    if axis.is_log:
        return math.log(place / low) / math.log(high / low)
    return (place - low) / (high - low)


def _surface(best: dict[tuple[float, float], float], x_axis: Axis, y_axis: Axis, objective: "Objective") -> Surface | None:
    """Return the linear interpolation of `best` on the axes' scales, or None if all points lie on one line."""
    import numpy as np
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    def scaled(axis: Axis, places: "np.ndarray") -> "np.ndarray":
        return np.asarray([_share(axis, place) for place in places])

    spots = np.asarray(list(best), dtype=float)
    sides = []
    for axis, column in ((x_axis, spots[:, 0]), (y_axis, spots[:, 1])):
        low, high = column.min(), column.max()
        sides.append(np.geomspace(low, high, _GRID) if axis.is_log else np.linspace(low, high, _GRID))
    try:
        interpolated = LinearNDInterpolator(
            np.column_stack([scaled(x_axis, spots[:, 0]), scaled(y_axis, spots[:, 1])]), list(best.values())
        )
    except (QhullError, ValueError):
        return None
    grid = np.meshgrid(scaled(x_axis, sides[0]), scaled(y_axis, sides[1]))
    z = interpolated(*grid)
    if np.isnan(z).all() or np.nanmax(z) == np.nanmin(z):
        return None
    limits = objective.axis(list(best.values())).limits
    assert limits is not None
    z = np.clip(z, *limits)  # a diverged trial would leave one colour for all others
    return Surface(sides[0].tolist(), sides[1].tolist(), z.tolist(), objective.label)
