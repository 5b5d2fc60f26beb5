"""The subject of a study's pictures: its ended trials, its objectives and parameters, and the axes for them."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.png import shortened
from densenet_sweep.drawing.scene import Axis, Symbol
from densenet_sweep.results import analysis, fidelity, noise
from densenet_sweep.results.study import State, Study, Trial, range_of

# The colour and the symbol of a trial by its state.
STYLES: dict[State, tuple[str, Symbol]] = {
    "complete": (theme.BLUE, "circle"),
    "pruned": (theme.ORANGE, "ring"),
    "failed": (theme.RED, "cross"),
}

# An axis spans this many times the distance between the best value and the one that three quarters of the trials reach.
_REACH = 2.5

# Longer names and values are cut in a hover text.
_LONG = 60
# More values than this on an axis are not ticked one by one.
_MOST_TICKS = 9
# More names on an axis would hide each other: every second or third is there.
_MOST_NAMES = 24
# Numeric choices with this ratio of largest to smallest get a log scale.
_LOG_RATIO = 30.0


@dataclass(frozen=True)
class Objective:
    """What is optimized; `index` counts from 0 among several."""

    index: int
    name: str
    is_maximized: bool

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return METRICS[self.name].label if self.name in METRICS else self.name

    @property
    def label(self) -> str:
        """Its name on an axis."""
        unit = METRICS[self.name].unit if self.name in METRICS else ""
        return f"{self.words} ({unit})" if unit else self.words

    @property
    def is_fraction(self) -> bool:
        """Whether it lies between 0 and 1."""
        return METRICS[self.name].is_fraction if self.name in METRICS else self.name.endswith("accuracy")

    def value(self, trial: Trial) -> float | None:
        """Return the trial's value, or a pruned trial's last report; None if there is none, or it is not finite."""
        values = trial.values
        if not values and trial.state == "pruned" and self.index == 0 and trial.reports:
            values = (trial.reports[max(trial.reports)],)
        return values[self.index] if values and math.isfinite(values[self.index]) else None

    def best(self, values: Sequence[float]) -> float:
        """Return the best of `values`."""
        return max(values) if self.is_maximized else min(values)

    def axis(self, values: Sequence[float], least: float = 0.0) -> Axis:
        """Return an axis that resolves the good half of `values`; values far on the bad side are beyond it.

        It spans at least `least`, so that noise does not fill it.
        """
        is_short = self.name in METRICS and METRICS[self.name].spans_magnitudes
        low, high = min(values), max(values)
        if is_short and low > 0 and high / low >= 10:
            return Axis(self.label, is_log=True, limits=(low / 1.2, high * 1.2), is_short=True)
        ordered = sorted(values, reverse=self.is_maximized)
        reach = _REACH * abs(ordered[math.ceil(0.75 * (len(ordered) - 1))] - ordered[0])
        if self.is_maximized and reach > 0:
            low = max(low, high - reach)
        elif reach > 0:
            high = min(high, low + reach)
        missing = max(least - (high - low), 0.0)
        low, high = low - missing / 2, high + missing / 2
        pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
        limits = (low - pad, high + pad)
        if self.is_fraction and 0 <= min(values) <= max(values) <= 1:  # a user's own may be in percent
            limits = (max(limits[0], 0.0), min(limits[1], 1.0))
        return Axis(self.label, limits=limits, is_short=is_short)


@dataclass(frozen=True)
class Subject:
    """What pictures show of a study.

    Attributes:
        name: of the study.
        objectives: in order.
        trials: that have ended, by number.
        shares: of importance by parameter, the largest first; empty if unknown.
        varied: the parameters with more than one value among the ended trials, the most important first.
        front: the numbers of the trials on the Pareto front, if there are several objectives.
        errors: one standard error of the metric by trial number, where it is known.
        fidelity: when the values of complete trials were measured, in words.
        fates: the states of trials that are not drawn as their own: what became of them later, or of those that continue them.
        running: trials that run now.
        left_out: a sentence about ended trials that are not among `trials`; empty without any.
    """

    name: str
    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...]
    shares: dict[str, float]
    varied: tuple[str, ...]
    front: frozenset[int]
    errors: Mapping[int, float] = field(default_factory=dict)
    fidelity: str = "at the end of training"
    fates: Mapping[int, State] = field(default_factory=dict)
    running: tuple[Trial, ...] = ()
    left_out: str = ""

    @property
    def metric(self) -> Objective:
        """The first objective, which is what trials report."""
        return self.objectives[0]

    def complete(self) -> list[Trial]:
        """Return the complete trials."""
        return [trial for trial in self.trials if trial.state == "complete"]

    def counts(self) -> str:
        """Return how many trials ended in which state."""
        return counts_by_state(self.trials)

    def of_complete(self) -> str:
        """Return a sentence with the number of complete trials, and why the others are left out."""
        complete = len(self.complete())
        others = len(self.trials) - complete
        if not others:
            return " ".join(filter(None, [f"{counted(complete, 'trial')}.", self.left_out]))
        have = "has" if others == 1 else "have"
        rest = counted(others, "other")
        verb = "is" if others == 1 else "are"
        return f"{counted(complete, 'complete trial')}; {rest} {have} no value {self.fidelity} and {verb} left out."

    def fate(self, trial: Trial) -> State:
        """Return what became of `trial`."""
        return self.fates.get(trial.number, trial.state)

    def least_span(self) -> float:
        """Return the smallest useful span of an axis: six standard errors; 0 if they are unknown."""
        return 6 * statistics.median(self.errors.values()) if self.errors else 0.0

    def error_note(self) -> str:
        """Return what the bars at the marks are; empty if there are none."""
        source = "over the folds" if any(trial.fold_values for trial in self.trials) else "from the number of images alone"
        return f" Bars: one standard error, {source}." if self.errors else ""

    def about(self, trial: Trial) -> str:
        """Return the facts about `trial` as lines of text."""
        lines = [f"trial {trial.number}: {self.fate(trial)}"]
        when = f" {self.fidelity}" if self.fates else ""
        for objective in self.objectives:
            value = objective.value(trial)
            error = self.errors.get(trial.number) if objective.index == 0 else None
            known = "" if error is None else f" ± {error:.2g}"
            lines += [] if value is None else [f"{objective.name} = {value:.5g}{known}{when}"]
        lines += [
            f"{shortened(name, _LONG)} = {shortened(_shown(value), _LONG)}" for name, value in sorted(trial.params.items())
        ]
        facts = [
            counted(trial.num_parameters, "parameter") if trial.num_parameters else "",
            f"{trial.seconds:.4g} s" if trial.seconds else "",
        ]
        return "\n".join([*lines, *filter(None, [", ".join(filter(None, facts))])])


def read(study: Study) -> Subject:
    """Return what pictures show of `study`."""
    objectives = tuple(
        Objective(index, name, direction == "maximize")
        for index, (name, direction) in enumerate(zip(study.objectives, study.directions, strict=True))
    )
    trials = study.finished
    shares = analysis.importance(study)
    names = sorted({name for trial in trials for name in trial.params})
    varied = [name for name in names if len({repr(trial.params[name]) for trial in trials if name in trial.params}) > 1]
    varied.sort(key=lambda name: -shares.get(name, 0.0))
    errors = noise.standard_errors(study)
    return Subject(
        study.name,
        objectives,
        tuple(trials),
        shares,
        tuple(varied),
        study.front,
        errors,
        fidelity.end(study),
        running=tuple(study.in_state("running")),
    )


def read_early(study: Study) -> Subject | None:
    """Return what pictures show of the values by which all trials compare; None if the complete trials are all."""
    found = fidelity.early(study)
    if found is None:
        return None
    fates = {trial.number: trial.state for trial in study.finished}
    for promoted, successor in sorted(study.successors().items(), reverse=True):
        fates[promoted] = fates.get(successor, "pruned")
    missing = len(study.finished) - len(found.study.trials)
    are = "is" if missing == 1 else "are"
    left_out = f"{counted(missing, 'other trial')} without a value of its own there {are} left out." if missing else ""
    return replace(read(found.study), fidelity=found.words, fates=fates, left_out=left_out)


def counts_by_state(trials: Sequence[Trial]) -> str:
    """Return how many of `trials` ended in which state, as text."""
    found = Counter("too big" if trial.is_infeasible else trial.state for trial in trials)
    return ", ".join(f"{found[word]:,} {word}" for word in (*STYLES, "too big") if found[word])


def by_state(subject: Subject, trials: Sequence[Trial]) -> Iterator[tuple[State, str, Symbol, list[Trial]]]:
    """Yield name, colour and symbol of each state among `trials`, with its trials; complete ones come last, on top."""
    for state, (colour, symbol) in reversed(STYLES.items()):
        found = [trial for trial in trials if subject.fate(trial) == state]
        if found:
            yield state, colour, symbol, found


def thinned(trials: Sequence[Trial], objective: Objective, most: int) -> list[Trial]:
    """Return at most `most` trials: the best ones, and an even selection of the rest."""
    if len(trials) <= most:
        return list(trials)

    def badness(trial: Trial) -> float:
        value = objective.value(trial) if trial.state == "complete" else None
        return math.inf if value is None else -value if objective.is_maximized else value

    best = sorted(trials, key=badness)[: most // 4]
    chosen = {trial.number for trial in best}
    rest = [trial for trial in trials if trial.number not in chosen]
    wanted = most - len(best)
    chosen |= {rest[index * len(rest) // wanted].number for index in range(wanted)}
    return [trial for trial in trials if trial.number in chosen]


def shown_of(num_shown: int, num_all: int) -> str:
    """Return the remark for a title if not all trials are drawn, else an empty text."""
    return f" ({num_shown:,} of {counted(num_all, 'trial')} drawn)" if num_shown < num_all else ""


def parameter_axis(name: str, trials: Sequence[Trial]) -> tuple[Axis, Callable[[Any], float]]:
    """Return the axis of a parameter over the whole range that was searched, and a function from its values to places."""
    values = range_of(name, trials)
    searched = [trial.params[name] for trial in trials if name in trial.params]
    if not values.is_numeric:
        names = [_shown(choice) for choice in values.choices]
        named = tuple((float(i), text) for i, text in enumerate(names))[:: math.ceil(len(names) / _MOST_NAMES)]
        axis = Axis(name, limits=(-0.5, len(names) - 0.5), ticks=named)
        return axis, lambda value: float(names.index(_shown(value)))
    if values.choices:
        low, high = min(values.choices), max(values.choices)
        is_log = low > 0 and high / low >= _LOG_RATIO
        searched = list(values.choices)
    else:
        low, high, is_log = values.low, values.high, values.is_log
        if values.step and (high - low) / values.step < _MOST_TICKS and not is_log:
            searched = [low + index * values.step for index in range(round((high - low) / values.step) + 1)]
    places = sorted(set(searched))
    is_whole = all(isinstance(value, int) for value in places)
    is_listed = len(places) <= _MOST_TICKS and (is_whole or values.choices)
    ticks = tuple((float(place), f"{place:g}") for place in places) if is_listed else None
    return Axis(name, is_log=is_log, limits=padded(low, high, is_log=is_log), ticks=ticks, is_whole=is_whole), float


def padded(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """Return the limits of an axis that shows `low` to `high` with some room on both sides."""
    if is_log:
        room = (high / low) ** 0.05 if high > low else 2.0
        return low / room, high * room
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def _shown(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
