"""The marks of trials in a panel: by state, with error bars, and as arrows at the edge where they are beyond it."""

import math
from collections.abc import Iterator, Sequence

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Curves, Mark, Points
from densenet_sweep.report.pictures.subject import Objective, Subject, by_state, thinned
from densenet_sweep.results.study import Trial

MOST_POINTS = 2000
# From this many marks on they are drawn more lightly.
_MANY = 300
# More arrows than these at an edge become numbers, one for each of these parts of the axis.
_MOST_ARROWS = 12
_NUM_PARTS = 8
_MOST_LISTED = 12


def axis_of(subject: Subject, objective: Objective, valued: Sequence[Trial]) -> Axis:
    """Return the objective's axis for trials with a value, scaled to the complete ones if there are several."""
    complete = [trial for trial in valued if trial.state == "complete"]
    chosen = complete if len(complete) > 1 else valued
    least = subject.least_span() if objective.index == 0 else 0.0
    return objective.axis([value for trial in chosen if (value := objective.value(trial)) is not None], least)


def points(
    subject: Subject, objective: Objective, axes: tuple[Axis, Axis], places: dict[int, float], most: int = MOST_POINTS
) -> Iterator[Mark]:
    """Yield the trials that have a place on the first of `axes`, by state, with bars of one standard error.

    A trial beyond the second axis is an arrow at its edge, and many are an arrow with their number at each part of the edge.
    Failed trials, which have no value, are crosses at the edge.
    """
    limits = axes[1].limits
    assert limits is not None
    placed = thinned([trial for trial in subject.trials if trial.number in places], objective, most)
    opacity = 0.8 if len(placed) < _MANY else 0.45
    edge = limits[0] if objective.is_maximized else limits[1]
    arrows: list[Points] = []
    others: list[Points] = []
    failed: list[Points] = []
    known: list[tuple[Trial, float]] = []
    for name, colour, symbol, trials in by_state(subject, placed):
        inside: list[tuple[Trial, float]] = []
        beyond: list[tuple[Trial, float]] = []
        for trial in trials:
            value = objective.value(trial)
            if value is not None and limits[0] <= value <= limits[1]:
                inside.append((trial, value))
            elif value is not None or trial.state == "failed":
                beyond.append((trial, edge))
        known += inside
        if inside:
            others.append(_marked(subject, inside, places, Points([], [], colour, name, symbol, opacity=opacity)))
        if beyond and name == "failed":
            faint = 0.8 if len(beyond) <= _MOST_ARROWS else 0.25
            failed.append(_marked(subject, beyond, places, Points([], [], colour, name, symbol, opacity=faint)))
        elif beyond:
            symbol = "down" if objective.is_maximized else "up"
            what = "beyond the axis" if inside else f"{name}, beyond the axis"
            like = Points([], [], colour, what, symbol, opacity=opacity)
            is_many = len(beyond) > _MOST_ARROWS
            arrows.append(_counted(beyond, places, axes[0], like) if is_many else _marked(subject, beyond, places, like))
    if objective.index == 0:
        yield from error_bars(subject, [(trial.number, places[trial.number], value) for trial, value in known], limits)
    yield from failed  # below the arrows, which they would hide
    yield from arrows
    yield from others


def error_bars(subject: Subject, found: Sequence[tuple[int, float, float]], limits: tuple[float, float]) -> Iterator[Curves]:
    """Yield one mark with bars of one standard error, cut at the axis's `limits`, for trials at places (number, x, y)."""
    low, high = limits
    paths = [
        ((x, x), (max(y - subject.errors[number], low), min(y + subject.errors[number], high)))
        for number, x, y in found
        if number in subject.errors
    ]
    if paths:
        yield Curves(paths, theme.GREY, "", width=1.0, opacity=0.55 if len(paths) < _MANY else 0.15)


def _counted(found: Sequence[tuple[Trial, float]], places: dict[int, float], axis: Axis, like: Points) -> Points:
    """Return an arrow for each part of the x axis with the number of trials there, where single ones would hide each other."""
    assert axis.limits is not None
    low, high = axis.limits
    num_parts = len(axis.ticks) if axis.ticks is not None else _NUM_PARTS
    parts: dict[int, list[int]] = {}
    for trial, _ in found:
        place = places[trial.number]
        share = math.log(place / low) / math.log(high / low) if axis.is_log else (place - low) / (high - low)
        parts.setdefault(min(int(share * num_parts), num_parts - 1), []).append(trial.number)
    x = []
    for part in parts:
        share = (part + 0.5) / num_parts
        x.append(low * (high / low) ** share if axis.is_log else low + share * (high - low))
    texts = [f"{len(numbers):,}" for numbers in parts.values()]
    about = [f"{counted(len(numbers), 'trial')} beyond the axis: {_listed(numbers)}" for numbers in parts.values()]
    y = [found[0][1]] * len(x)
    return Points(x, y, like.colour, like.name, like.symbol, 7.0, 1.0, about, texts=texts)


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_LISTED]))
    return f"{shown}, ..." if len(numbers) > _MOST_LISTED else shown


def _marked(subject: Subject, found: Sequence[tuple[Trial, float]], places: dict[int, float], like: Points) -> Points:
    x = [places[trial.number] for trial, _ in found]
    about = [subject.about(trial) for trial, _ in found]
    return Points(
        x,
        [y for _, y in found],
        like.colour,
        like.name,
        like.symbol,
        like.size,
        like.opacity,
        about,
        ids=[trial.number for trial, _ in found],
    )
