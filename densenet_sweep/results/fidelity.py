"""The early values by which all trials of a study compare: after a rung, or after an epoch that all of them reached.

Only the best trials of a study with pruning are trained to the end: too few to say what a parameter does. After a rung every
trial has a value of the same kind.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace

from densenet_sweep.counts import counted
from densenet_sweep.results.study import Study, Trial


@dataclass(frozen=True)
class Early:
    """A study's trials as they stood after `step` epochs, of a rung's own schedule or of the whole training.

    Attributes:
        step: the rung's length, or the epoch.
        is_rung: whether it is a rung's.
        study: with these values; every trial that has one is complete, the others are left out.
    """

    step: int
    is_rung: bool
    study: Study

    @property
    def words(self) -> str:
        """When the values were measured."""
        return f"after a rung of {counted(self.step, 'epoch')}" if self.is_rung else f"after epoch {self.step}"


def early(study: Study) -> Early | None:
    """Return the early values that most trials have, the latest of these; None if no more trials have one than are complete.

    A trial that continues from another one's rung is left out where it has the other one's value.
    """
    if not study.has_one_objective or study.has_folds:  # a fold is no early value
        return None
    rungs = {rung for trial in study.finished for rung in trial.rungs}
    counts = Counter(
        step
        for trial in study.finished
        for step in trial.reports
        if (step in rungs or not rungs) and _value(trial, step, is_rung=bool(rungs)) is not None
    )
    if not counts:
        return None
    most = max(counts.values())
    step = max(step for step, count in counts.items() if count == most)
    if most <= len(study.complete):
        return None
    trials = tuple(
        replace(trial, state="complete", values=(value,), deviation=None, interval=None)
        for trial in study.finished
        if (value := _value(trial, step, is_rung=bool(rungs))) is not None
    )
    return Early(step, bool(rungs), replace(study, trials=trials))


def end(study: Study) -> str:
    """Return when the values of the complete trials were measured, in words."""
    epochs = {trial.epochs for trial in study.complete}
    if study.has_folds:
        return "on average over the folds"
    [number] = epochs if len(epochs) == 1 else [None]
    return f"after all {counted(number, 'epoch')}" if number is not None and number > 1 else "at the end of training"


def _value(trial: Trial, step: int, *, is_rung: bool) -> float | None:
    if step <= trial.passed_step or (is_rung and step not in trial.rungs):
        return None
    value = trial.reports.get(step)
    return value if value is not None and math.isfinite(value) else None
