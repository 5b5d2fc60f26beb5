"""Several studies in one picture: the best value so far by trials, by epochs and by seconds of training."""

import math
from collections.abc import Callable, Sequence

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Line, Panel, Picture
from densenet_sweep.report.pictures.subject import Objective, padded
from densenet_sweep.results.study import Study, Trial

_COLOURS = (theme.BLUE, theme.ORANGE, theme.GREEN, theme.PINK, theme.RED, theme.SKY, theme.GREY)


def best_so_far(studies: Sequence[Study]) -> Picture | None:
    """Return the curves of the studies with the objective of the first; None unless there are two of one objective."""
    alike = [
        study
        for study in studies
        if study.has_one_objective
        and (study.objectives, study.directions) == (studies[0].objectives, studies[0].directions)
        and any(math.isfinite(trial.values[0]) for trial in study.complete)
    ]
    if len(alike) < 2:
        return None
    objective = Objective(0, alike[0].objectives[0], alike[0].is_maximized)
    costs: dict[str, Callable[[Trial], float]] = {
        "trials": lambda _: 1.0,
        "epochs trained": epochs_trained,
        "seconds of training": lambda trial: trial.own_seconds or 0.0,
    }
    found = [(label, [steps(study, objective, cost) for study in alike]) for label, cost in costs.items()]
    panels = tuple(_panel(alike, objective, label, curves) for label, curves in found if any(x[-1] > 0 for x, _ in curves))
    note = "All trials count by number, pruned and failed ones too; those taken over from another study do not."
    if left_out := len(studies) - len(alike):
        note += f" Without a complete trial or with another objective, and so left out: {counted(left_out, 'other')}."
    return Picture("best_so_far", f"Best {objective.words} so far of {counted(len(alike), 'sweep')}", note, panels)


def steps(study: Study, objective: Objective, cost: Callable[[Trial], float]) -> tuple[list[float], list[float]]:
    """Return the cost spent after each trial from the first complete one on, and the best value then."""
    spent, x, y = 0.0, list[float](), list[float]()
    for trial in study.finished:
        spent += cost(trial) if trial.is_own else 0.0
        if trial.state == "complete" and objective.value(trial) is not None:
            y.append(objective.best([*y[-1:], trial.values[0]]))
            x.append(spent)
        elif y:
            y.append(y[-1])
            x.append(spent)
    return x, y


def epochs_trained(trial: Trial) -> float:
    """Return the epochs that a trial trained itself: its rungs, without those of the trial it continues, and its training."""
    last = trial.last_step or 0
    rungs = [rung for rung in trial.rungs if rung > trial.passed_step]
    if trial.state != "complete" and last in trial.rungs and not trial.at_rungs:
        return sum(rung for rung in rungs if rung <= last)
    return sum(rungs) + last


def _panel(
    studies: Sequence[Study], objective: Objective, label: str, curves: Sequence[tuple[list[float], list[float]]]
) -> Panel:
    marks = tuple(
        Line(x, y, _COLOURS[index % len(_COLOURS)], study.name, is_step=True, is_dashed=index >= len(_COLOURS))
        for index, (study, (x, y)) in enumerate(zip(studies, curves, strict=True))
    )
    values = [value for _, y in curves for value in y]
    most = max(x[-1] for x, _ in curves)
    return Panel(Axis(label, limits=padded(0.0, most, is_log=False), is_short=most > 5000), objective.axis(values), marks)
