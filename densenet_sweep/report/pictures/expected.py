"""The best value to expect of a search with a smaller budget."""

import math

from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Band, Line, Panel, Picture
from densenet_sweep.report.pictures.subject import Subject, padded
from densenet_sweep.results.expected import BAND, FEWEST_VALUES, budgets, expected_best

_MOST_PLACES = 60
# From this many trials on the axis is logarithmic.
_MANY = 50


def expected(subject: Subject) -> Picture | None:
    """Return the expected best of 1, 2, ... trials with its band; None with several objectives, or too little to see."""
    objective = subject.metric
    trials = subject.complete()
    values = [value for trial in trials if (value := objective.value(trial)) is not None]
    if len(subject.objectives) > 1 or len(values) < FEWEST_VALUES or len(set(values)) == 1 or not subject.varied:
        return None
    found = expected_best(values, budgets(len(values), _MOST_PLACES), is_maximized=objective.is_maximized)
    numbers, means = [float(it.number) for it in found], [it.mean for it in found]
    is_log = len(values) >= _MANY
    band = Band(numbers, [it.low for it in found], [it.high for it in found], theme.GREEN, f"middle {round(100 * BAND)} %")
    axis = objective.axis([value for value in values if math.isfinite(value)], subject.least_span())
    unit = Axis("trials", is_log=is_log, limits=padded(1.0, float(len(values)), is_log=is_log), is_whole=not is_log)
    mean = "largest" if objective.is_maximized else "smallest"
    note = (
        f"{subject.of_complete()} Expectation and band of the {mean} of so many values, drawn at random from these: what a "
        "random search would find with less. The order of the trials, and what the sampler learned, do not count."
    )
    title = f"Expected {objective.words} {subject.fidelity} of the best of fewer trials"
    return Picture(
        "expected_best", title, note, (Panel(unit, axis, (band, Line(numbers, means, theme.GREEN, "expected best"))),)
    )
