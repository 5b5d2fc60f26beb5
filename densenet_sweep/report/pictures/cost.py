"""What accuracy costs: the trials that no other beats in both the objective and the cost."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Line, Mark, Panel, Picture, Points
from densenet_sweep.report.pictures.marks import MOST_POINTS, error_bars
from densenet_sweep.report.pictures.subject import Objective, Subject, padded, shown_of, thinned
from densenet_sweep.results.study import Trial

# The costs of a trial besides its objectives, by name and unit on an axis.
COSTS: dict[str, Callable[[Trial], float | None]] = {
    "parameters": lambda trial: trial.num_parameters,
    "training time (s)": lambda trial: trial.seconds,
}
LOG_RATIO = 8.0
_FEWEST = 3


def front(subject: Subject) -> Picture | None:
    """Return the objective against each cost; with several objectives, the first against each other one."""
    trials = [trial for trial in subject.complete() if all(it.value(trial) is not None for it in subject.objectives)]
    if len(trials) < _FEWEST:
        return None
    if len(subject.objectives) > 1:
        return _of_objectives(subject, trials)
    panels = [_against(subject, trials, label, cost) for label, cost in COSTS.items()]
    found = tuple(panel for panel in panels if panel is not None)
    if not found:
        return None
    what = " and ".join(panel.x.label.partition(" (")[0] for panel in found)
    title = f"What {subject.metric.words} costs in {what}{shown_of(min(len(trials), MOST_POINTS), len(trials))}"
    rule = f"On the front no other is as good and costs less.{subject.error_note()}"
    return Picture("pareto_front", title, f"{counts(subject, trials)}. {rule}", found)


def _against(subject: Subject, trials: Sequence[Trial], label: str, cost_of: Callable[[Trial], float | None]) -> Panel | None:
    known = [(trial, float(cost)) for trial in trials if isinstance(cost := cost_of(trial), int | float)]
    if len({cost for _, cost in known}) < 2 or len(known) < _FEWEST:
        return None
    chosen = undominated([(cost, trial.values[0]) for trial, cost in known], (False, subject.metric.is_maximized))
    costs = [cost for _, cost in known]
    is_log = min(costs) > 0 and max(costs) / min(costs) >= LOG_RATIO
    limits = padded(min(costs), max(costs), is_log=is_log)
    axis = Axis(label, is_log=is_log, limits=limits, is_short=label == "parameters")
    numbers = {known[index][0].number for index in chosen}
    places = {trial.number: cost for trial, cost in known}
    return _panel(subject, [trial for trial, _ in known], numbers, axis, lambda trial: places[trial.number])


def _of_objectives(subject: Subject, trials: Sequence[Trial]) -> Picture | None:
    panels = []
    for other in subject.objectives[1:]:
        values = [trial.values[other.index] for trial in trials]
        axis = other.axis(values)
        limits = axis.limits if axis.is_log else padded(min(values), max(values), is_log=False)
        axis = Axis(axis.label, axis.is_log, limits, is_short=axis.is_short)
        panels.append(
            _panel(subject, trials, set(subject.front), axis, _value_of(other), is_joined=len(subject.objectives) == 2)
        )
    named = " and ".join([", ".join(it.words for it in subject.objectives[:-1]), subject.objectives[-1].words])
    title = f"On the front of {named}: {len(subject.front):,} of {counted(len(trials), 'complete trial')}"
    rule = "On the front no other trial is as good in every objective and better in one."
    drawn = shown_of(min(len(trials), MOST_POINTS), len(trials))
    return Picture("pareto_front", f"{title}{drawn}", f"{counts(subject, trials)}. {rule}", tuple(panels))


def counts(subject: Subject, trials: Sequence[Trial]) -> str:
    """Return the number of complete trials, and of those beyond the axis, if any."""
    low, high = subject.metric.axis([trial.values[0] for trial in trials], subject.least_span()).limits or (-math.inf, math.inf)
    number = sum(not low <= trial.values[0] <= high for trial in trials)
    beyond = f", {number:,} of them beyond the axis" if number else ""
    return f"{counted(len(trials), 'complete trial')}{beyond}"


def _value_of(objective: Objective) -> Callable[[Trial], float]:
    return lambda trial: float(trial.values[objective.index])


def _panel(
    subject: Subject,
    trials: Sequence[Trial],
    chosen: set[int],
    axis: Axis,
    place: Callable[[Trial], float],
    *,
    is_joined: bool = True,
) -> Panel:
    objective = subject.metric
    y_axis = objective.axis([trial.values[0] for trial in trials], subject.least_span())
    assert y_axis.limits is not None
    low, high = y_axis.limits
    on_front = sorted((trial for trial in trials if trial.number in chosen), key=place)
    inside = [trial for trial in trials if trial.number not in chosen and low <= trial.values[0] <= high]
    rest = thinned(inside, objective, max(MOST_POINTS - len(on_front), 1))
    drawn = [it for it in [*rest, *on_front] if low <= it.values[0] <= high]
    marks: list[Mark] = list(error_bars(subject, [(it.number, place(it), it.values[0]) for it in drawn], y_axis.limits))
    marks += [_points(subject, rest, place, colour=theme.GREY, name="complete", opacity=0.55)] if rest else []
    on_front = [trial for trial in on_front if low <= trial.values[0] <= high]
    if is_joined and len(on_front) > 1:
        marks.append(
            Line([place(trial) for trial in on_front], [trial.values[0] for trial in on_front], theme.GREEN, is_step=True)
        )
    marks.append(
        _points(
            subject, on_front, place, colour=theme.GREEN, name="on the Pareto front", symbol="diamond", size=6.5, opacity=1.0
        )
    )
    return Panel(axis, y_axis, tuple(marks))


def _points(subject: Subject, trials: Sequence[Trial], place: Callable[[Trial], float], **style: Any) -> Points:
    x, y = [place(trial) for trial in trials], [trial.values[0] for trial in trials]
    return Points(x, y, about=[subject.about(trial) for trial in trials], ids=[trial.number for trial in trials], **style)


def undominated(pairs: Sequence[tuple[float, float]], is_maximized: tuple[bool, bool]) -> list[int]:
    """Return the positions of those `pairs` that no other equals or beats in both numbers and beats in one."""
    signed = [tuple(-value if up else value for value, up in zip(pair, is_maximized, strict=True)) for pair in pairs]
    found: list[int] = []
    for index in sorted(range(len(pairs)), key=lambda index: signed[index]):
        last = signed[found[-1]] if found else None
        if last is None or signed[index][1] < last[1] or signed[index] == last:
            found.append(index)
    return found
