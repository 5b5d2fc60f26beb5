"""A front for each architecture, where a sweep chooses among several: what each one's accuracy costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Line, Mark, Panel, Picture, Points, Symbol
from densenet_sweep.report.pictures.cost import COSTS, LOG_RATIO, counts, undominated
from densenet_sweep.report.pictures.marks import error_bars
from densenet_sweep.report.pictures.subject import Objective, Subject, padded
from densenet_sweep.results.study import Trial

_GROUP = "architecture"
_STYLES: tuple[tuple[str, Symbol], ...] = (
    *((theme.BLUE, "circle"), (theme.ORANGE, "diamond"), (theme.GREEN, "up")),
    *((theme.PINK, "down"), (theme.RED, "ring"), (theme.SKY, "cross")),
)
# Objectives that are among `COSTS` by another name.
_SAME = {"num_parameters": "parameters", "total_seconds": "training time (s)"}
_FEWEST = 3


def fronts(subject: Subject) -> Picture | None:
    """Return the first objective against each cost with a front for each architecture.

    None unless the architecture was searched, at least two have complete trials, and not more than there are colours.
    """
    trials = [
        trial
        for trial in subject.complete()
        if _GROUP in trial.params and all(objective.value(trial) is not None for objective in subject.objectives)
    ]
    families: dict[str, list[Trial]] = {}
    for trial in trials:
        families.setdefault(str(trial.params[_GROUP]), []).append(trial)
    if not 2 <= len(families) <= len(_STYLES) or len(trials) < _FEWEST:
        return None
    families = dict(sorted(families.items()))
    found = [_panel(subject, families, label, cost) for label, cost in _costs(subject.objectives[1:]).items()]
    panels = tuple(panel for panel in found if panel is not None)
    if not panels:
        return None
    named = ", ".join(f"{name} {len(of_it):,}" for name, of_it in families.items())
    rule = f"On its line no other trial of the architecture is as good and costs less.{subject.error_note()}"
    return Picture(
        "front_by_architecture",
        f"What {subject.metric.words} costs each architecture",
        f"{counts(subject, trials)}: {named}. {rule}",
        panels,
    )


def _costs(others: Sequence[Objective]) -> dict[str, Callable[[Trial], float | None]]:
    """Return the costs of a trial by their names on an axis: those that are objectives first."""

    def value_of(objective: Objective) -> Callable[[Trial], float | None]:
        return lambda trial: trial.values[objective.index]

    return {_SAME.get(it.name, it.label): value_of(it) for it in others if not it.is_maximized} | COSTS


def _panel(
    subject: Subject, families: Mapping[str, Sequence[Trial]], label: str, cost_of: Callable[[Trial], float | None]
) -> Panel | None:
    """Return the panel of one cost; None if it is unknown for a trial, or the same for all."""
    places = {trial.number: cost_of(trial) for of_it in families.values() for trial in of_it}
    costs = {number: float(cost) for number, cost in places.items() if cost is not None}
    if len(costs) < len(places) or len(set(costs.values())) < 2:
        return None
    low, high = min(costs.values()), max(costs.values())
    is_log = low > 0 and high / low >= LOG_RATIO
    is_short = high >= 10_000
    values = [trial.values[0] for of_it in families.values() for trial in of_it]
    y_axis = subject.metric.axis(values, subject.least_span())
    marks: list[Mark] = []
    for (name, of_it), (colour, symbol) in zip(families.items(), _STYLES, strict=False):
        marks += _marks(subject, of_it, costs, y_axis, Points([], [], colour, name, symbol))
    return Panel(Axis(label, is_log, padded(low, high, is_log=is_log), is_short=is_short), y_axis, tuple(marks))


def _marks(subject: Subject, trials: Sequence[Trial], costs: Mapping[int, float], y_axis: Axis, like: Points) -> list[Mark]:
    """Return the marks of one architecture: error bars, the line of its front, and its trials, those on the front larger."""
    assert y_axis.limits is not None
    low, high = y_axis.limits
    pairs = [(costs[trial.number], trial.values[0]) for trial in trials]
    front = {trials[index].number for index in undominated(pairs, (False, subject.metric.is_maximized))}
    drawn = [trial for trial in trials if low <= trial.values[0] <= high]
    on_front = sorted((trial for trial in drawn if trial.number in front), key=lambda trial: costs[trial.number])
    bars = error_bars(subject, [(it.number, costs[it.number], it.values[0]) for it in on_front], y_axis.limits)
    marks: list[Mark] = [replace(bar, colour=like.colour) for bar in bars]
    if len(on_front) > 1:
        x, y = [costs[trial.number] for trial in on_front], [trial.values[0] for trial in on_front]
        marks.append(Line(x, y, like.colour, is_step=True))
    rest = [trial for trial in drawn if trial.number not in front]
    for chosen, style in ((rest, {"size": 4.5, "opacity": 0.4, "name": ""}), (on_front, {"size": 7.0, "opacity": 1.0})):
        marks.append(
            replace(
                like,
                x=[costs[trial.number] for trial in chosen],
                y=[trial.values[0] for trial in chosen],
                about=[subject.about(trial) for trial in chosen],
                ids=[trial.number for trial in chosen],
                **style,
            )
        )
    return marks
