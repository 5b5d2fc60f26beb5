"""The default configuration as the rival of a search: what the config's own values reach, and whether the best is better."""

from collections.abc import Mapping
from typing import Any

from densenet_sweep.results import noise, ranking
from densenet_sweep.results.formatting import cell, short_names, value
from densenet_sweep.results.study import Study, Trial


def sentence(study: Study) -> str:
    """Return how the default configuration compares with the best trial, or why it does not."""
    if not study.searches:
        return "not recorded"
    defaults = study.searches[-1].defaults
    given = _given(study)
    if not defaults:
        return f"the config has no values of its own for what was searched{given}"
    shown = _shown(defaults)
    trials = [trial for trial in study.finished if dict(trial.params) == dict(defaults)]
    if not trials:
        outside = [name for name, it in defaults.items() if name in study.space and not study.space[name].holds(it)]
        where = f", as {' and '.join(outside)} {'lies' if len(outside) == 1 else 'lie'} outside the space" if outside else ""
        return f"{shown} was not among the trials{where}, so the best has no such rival{given}"
    trial = next((it for it in trials if it.state == "complete"), trials[0])
    if trial.state != "complete":
        return f"{shown} is trial {trial.number}, which was {trial.state}{given}"
    return (
        f"{shown} is trial {trial.number}, with {', '.join(map(value, trial.values))}{_against_the_best(study, trial)}{given}"
    )


def _against_the_best(study: Study, trial: Trial) -> str:
    best = next((row for row in ranking.rows(study) if row.is_complete), None)
    if best is None or not study.has_one_objective:
        return ""
    if best.number == trial.number:
        return ": the search found nothing better"
    gain = abs(best.values[0] - trial.values[0])
    found = {it.number: it for it in noise.accuracies(study)}
    known = ""
    if best.number in found and found[best.number].num_valid:
        one, other = found[best.number], found[trial.number]
        is_worse = noise.is_significantly_worse(one, other, len(found))
        known = ", beyond the noise of the images" if is_worse else ", within the noise of the images"
    return f"; the best, trial {best.number}, is better by {value(gain)}{known}"


def _given(study: Study) -> str:
    numbers = [trial.number for trial in study.trials if trial.is_given and trial.is_own]
    if not numbers:
        return ""
    named = ", ".join(map(str, numbers))
    return f"; given by the user and tried first: {'trial' if len(numbers) == 1 else 'trials'} {named}"


def _shown(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={cell(it)}" for name, it in zip(short_names([*params]), params.values(), strict=True))
