"""How a study went: what each trial reached, and how each got there."""

import math

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Curves, Line, Mark, Panel, Picture, Points
from densenet_sweep.report.pictures.marks import MOST_POINTS, axis_of, error_bars, points
from densenet_sweep.report.pictures.subject import Objective, Subject, by_state, padded, shown_of, thinned
from densenet_sweep.results.study import Trial

_MOST_CURVES = 200


def history(subject: Subject) -> Picture | None:
    """Return the value of each trial, in the order of the trials, and the incumbent's."""
    if len([trial for trial in subject.trials if subject.metric.value(trial) is not None]) < 2:
        return None
    panels = tuple(panel for objective in subject.objectives if (panel := _history_of(subject, objective)) is not None)
    shown = min(len(subject.trials), MOST_POINTS)
    complete = [trial for trial in subject.complete() if subject.metric.value(trial) is not None]
    title = f"What {counted(len(subject.trials), 'trial')} reached{shown_of(shown, len(subject.trials))}"
    if len(subject.objectives) == 1 and complete:
        best = subject.metric.best([trial.values[0] for trial in complete])
        number = next(trial.number for trial in complete if trial.values[0] == best)
        title = f"Best {subject.metric.words} {best:.4g}, in trial {number}{shown_of(shown, len(subject.trials))}"
    last = "the mean of its folds" if any(trial.fold_values for trial in subject.trials) else "its last epoch"
    pruned = f" A pruned trial stands at {last}." if any(trial.state == "pruned" for trial in subject.trials) else ""
    note = f"{subject.counts()}.{pruned}{subject.error_note()}"
    return Picture("optimization_history", title, note, panels)


def _history_of(subject: Subject, objective: Objective) -> Panel | None:
    valued = [(trial, value) for trial in subject.trials if (value := objective.value(trial)) is not None]
    if not valued:
        return None
    axis = axis_of(subject, objective, [trial for trial, _ in valued])
    numbers = [trial.number for trial in subject.trials]
    best: list[float] = []
    steps = [(trial.number, value) for trial, value in valued if trial.state == "complete"]
    for _, value in steps:
        best.append(objective.best([*best[-1:], value]))
    x_axis = Axis("trial", limits=padded(numbers[0], numbers[-1], is_log=False), is_whole=True)
    marks = list(points(subject, objective, (x_axis, axis), {trial.number: trial.number for trial in subject.trials}))
    if best:
        line = Line(
            [*(number for number, _ in steps), numbers[-1]], [*best, best[-1]], theme.GREEN, "best so far", is_step=True
        )
        marks.insert(0, line)
    return Panel(x_axis, axis, tuple(marks))


def _of_one_training(trial: Trial) -> list[tuple[int, float]]:
    """Return the reports of the trial by epoch, or by rung if it was given up at a rung."""
    rungs, reports = trial.rungs, trial.reports
    if max(reports) in rungs and not trial.at_rungs:
        return list(reports.items())
    epochs = {step: value for step, value in reports.items() if step not in rungs}
    return list({**epochs, **trial.at_rungs}.items())


def learning_curves(subject: Subject) -> Picture | None:
    """Return the reports of each trial by epoch, coloured by its state; those by fold are no curve."""
    reporting = [trial for trial in subject.trials if trial.reports and not trial.fold_values]
    if max((len(trial.reports) for trial in reporting), default=0) < 2:
        return None
    objective = subject.metric
    drawn = thinned(reporting, objective, _MOST_CURVES)
    opacity = 0.75 if len(drawn) <= 50 else 0.4
    marks: list[Mark] = []
    finals: list[float] = []
    last_places: list[tuple[int, float, float]] = []
    for name, colour, symbol, trials in by_state(subject, drawn):
        paths, about, ids = [], [], []
        for trial in trials:
            reports = sorted((step, value) for step, value in _of_one_training(trial) if math.isfinite(value))
            if reports:
                paths.append(([float(step) for step, _ in reports], [value for _, value in reports]))
                about.append(subject.about(trial))
                ids.append(trial.number)
        if not paths:
            continue
        x, y = [path[0][-1] for path in paths], [path[1][-1] for path in paths]
        finals += y
        last_places += zip(ids, x, y, strict=True)
        marks += [
            Curves(paths, colour, name, opacity=opacity, about=about, ids=ids),
            Points(x, y, colour, symbol=symbol, size=4.5, about=about, ids=ids),
        ]
    if not marks:
        return None
    last = max(max(trial.reports) for trial in drawn)
    first = min(min(trial.reports) for trial in drawn)
    values = [value for mark in marks if isinstance(mark, Curves) for path in mark.paths for value in path[1]]
    axis = objective.axis(finals if len(finals) > 1 else values, subject.least_span())
    assert axis.limits is not None
    low, high = axis.limits
    bars = error_bars(subject, [it for it in last_places if low <= it[2] <= high], axis.limits)
    marks = [*bars, *(_above(mark, axis.limits) for mark in marks)]
    is_at_rung = any(max(trial.reports) in trial.rungs for trial in drawn)
    at_rungs = "; those given up after a rung had a whole schedule in it" if is_at_rung else ""
    title = f"How {objective.words} grew" if objective.is_maximized else f"How {objective.words} fell"
    panel = Panel(Axis("epoch", limits=padded(first, last, is_log=False), is_whole=True), axis, tuple(marks))
    return Picture(
        "learning_curves",
        f"{title} in {f'{len(drawn):,} of ' if len(drawn) < len(reporting) else ''}{counted(len(reporting), 'trial')}",
        f"{subject.counts()}. A mark stands at the last epoch of each{at_rungs}.{subject.error_note()}",
        (panel,),
    )


def _above(mark: Mark, limits: tuple[float, float]) -> Mark:
    """Return the marks of ends without those beyond the axis, which would be drawn outside of it."""
    if not isinstance(mark, Points):
        return mark
    kept = [index for index, y in enumerate(mark.y) if limits[0] <= y <= limits[1]]
    return Points(
        [mark.x[index] for index in kept],
        [mark.y[index] for index in kept],
        mark.colour,
        mark.name,
        mark.symbol,
        mark.size,
        mark.opacity,
        [mark.about[index] for index in kept],
        ids=[mark.ids[index] for index in kept],
    )
