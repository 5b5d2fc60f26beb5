"""Parallel coordinates: each trial as one line over its parameters, to its value."""

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Panel, Parallel, Picture
from densenet_sweep.report.pictures.marks import axis_of
from densenet_sweep.report.pictures.subject import Subject, parameter_axis, shown_of, thinned

_MOST_LINES = 2000
_MOST_AXES = 9


def parallel(subject: Subject) -> Picture | None:
    """Return the trials with a value as lines over the parameters that varied, the most important first."""
    objective = subject.metric
    trials = [trial for trial in subject.complete() if objective.value(trial) is not None]
    names = [name for name in subject.varied if len({repr(it.params[name]) for it in trials if name in it.params}) > 1]
    if len(trials) < 3 or not names:
        return None
    shown = names[:_MOST_AXES]
    axes, places = zip(*(parameter_axis(name, trials) for name in shown), strict=True)
    order = sorted(
        thinned(trials, objective, _MOST_LINES), key=lambda trial: trial.values[0], reverse=not objective.is_maximized
    )
    value_axis = axis_of(subject, objective, trials)
    assert value_axis.limits is not None
    rows = [
        (
            *(place(trial.params[name]) if name in trial.params else None for name, place in zip(shown, places, strict=True)),
            min(max(trial.values[0], value_axis.limits[0]), value_axis.limits[1]),
        )
        for trial in order
    ]
    # The best tenth is as strong as can be; the worse half is equally quiet.
    last = len(order) - 1
    shades = [min(max((index / last - 0.5) / 0.4, 0.0), 1.0) ** 2 for index in range(len(order))]
    lines = Parallel(
        (*axes, value_axis), rows, shades, theme.BLUE, [subject.about(it) for it in order], [it.number for it in order]
    )
    what = "each parameter that varied" if len(shown) == len(names) else f"{len(shown)} of {counted(len(names), 'parameter')}"
    title = f"{objective.words.capitalize()} {subject.fidelity} over {what}"
    note = f"{subject.of_complete()} A line is a trial; the better half is blue."
    panel = Panel(Axis(""), Axis(""), (lines,))
    return Picture(
        "parallel", f"{title}{shown_of(len(order), len(trials))}", note, (panel,), "Drag along an axis to choose a range."
    )
