"""Trials not significantly worse than the best, given the number of validation images, and the bias of picking the best.

The uncertainty of an accuracy is binomial; that of another metric of the outputs, and of images in groups, is the
bootstrap's, which runs record. Only the images count here; the seeds add to the uncertainty. That of a mean over folds is its
standard error.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.counts import counted
from densenet_sweep.results import validated_on
from densenet_sweep.results.study import Study

_ACCURACY = "valid_accuracy"

# The least probability that the truly best trial is among those that are not ruled out.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Noise:
    """The uncertainty of the best trial due to the number of images.

    Attributes:
        best: number of the best trial.
        deviation: standard deviation of its accuracy, or of another objective.
        num_valid: images in the validation split.
        num_candidates: complete trials, including the best.
        tied: numbers of the others that are not significantly worse, better ones first.
        selection_bias: how much better than it is the best of these looks on average, if all are equally good.
        objective: the metric.
        interval: the middle 95 % of the bootstrap of the best trial; None for an accuracy.
        num_folds: that the values are means over; 0 without folds.
    """

    best: int
    deviation: float
    num_valid: int
    num_candidates: int
    tied: tuple[int, ...]
    selection_bias: float
    objective: str = _ACCURACY
    interval: tuple[float, float] | None = None
    num_folds: int = 0


def estimate(study: Study) -> Noise | None:
    """Return the noise of a study; None without a complete trial, or where the uncertainty of its objective is unknown."""
    candidates = accuracies(study)
    if not candidates or not candidates[0].num_valid:
        return None
    best = candidates[0]
    tied = [other for other in candidates[1:] if not is_significantly_worse(best, other, len(candidates))]
    deviation = _binomial(best) if best.deviation is None else best.deviation
    bias = expected_maximum(1 + len(tied)) * deviation
    numbers = tuple(other.number for other in tied)
    objective = study.objectives[0]
    interval = study.trials[best.number].interval
    num_folds = len(best.folds)
    return Noise(best.number, deviation, best.num_valid, len(candidates), numbers, bias, objective, interval, num_folds)


def _binomial(best: "Accuracy") -> float:
    return binomial_error(best.accuracy, best.num_valid)


def binomial_error(accuracy: float, num_images: int) -> float:
    """Return the standard error of an accuracy on so many images."""
    # Capped as if two more were right and two more wrong (Agresti and Coull, 1998): an accuracy of 1 is not certain.
    accuracy = min(accuracy, (num_images + 2) / (num_images + 4))
    return math.sqrt(accuracy * (1 - accuracy) / num_images)


def standard_errors(study: Study) -> dict[int, float]:
    """Return the standard error of the first objective by trial number, from the number of images; unknown ones are left out.

    A pruned trial's is that of its last report. A trial that does not say how many images it was validated on had as many as
    the others, unless what was searched changes that. That of a mean over folds is over the folds.
    """
    if study.has_folds:
        return {trial.number: trial.standard_error for trial in study.finished if trial.standard_error is not None}
    if study.objectives[0] != _ACCURACY:
        return {trial.number: trial.deviation for trial in study.complete if trial.deviation is not None}
    counts = {trial.num_valid for trial in study.trials if trial.num_valid}
    usual = counts.pop() if len(counts) == 1 else 0
    errors = {}
    for trial in study.finished:
        num_valid = trial.num_valid or usual
        accuracy = trial.values[0] if trial.values else trial.reports.get(trial.last_step or 0)
        if num_valid and accuracy is not None and 0 <= accuracy <= 1:
            errors[trial.number] = binomial_error(accuracy, num_valid)
    return errors


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a complete trial on `num_valid` images; `num_valid` is 0 if unknown.

    Of another objective, or a mean over `folds`, `deviation` is the standard deviation. Of one that is minimized, `accuracy` is
    negative, and so are the values of `folds`.
    """

    number: int
    accuracy: float
    num_valid: int
    deviation: float | None = None
    folds: tuple[float, ...] = ()


def accuracies(study: Study) -> list[Accuracy]:
    """Return the complete trials' accuracies, best first; empty if their uncertainty is unknown, or if the images differ."""
    if not study.has_one_objective or validated_on.searched(study):
        return []
    sign = 1 if study.is_maximized else -1
    if study.has_folds:
        found = [
            Accuracy(
                trial.number, sign * trial.values[0], trial.num_valid or 0, trial.standard_error,
                tuple(sign * value for value in trial.fold_values),
            )
            for trial in study.complete
        ]  # fmt: skip
        if any(one.deviation is None for one in found):
            return []
    elif study.objectives == (_ACCURACY,):
        found = [Accuracy(trial.number, trial.values[0], trial.num_valid or 0, trial.deviation) for trial in study.complete]
        if not all(0 <= one.accuracy <= 1 for one in found):
            return []
    elif not study.objectives[0].startswith("valid_"):  # the runs of a confirmation, whose noise is the seeds' as well
        return []
    else:
        found = [
            Accuracy(trial.number, sign * trial.values[0], trial.num_valid or 0, trial.deviation) for trial in study.complete
        ]
        if any(one.deviation is None for one in found):
            return []
    return sorted(found, key=lambda one: (-one.accuracy, one.number))


def is_significantly_worse(best: Accuracy, other: Accuracy, num_candidates: int) -> bool:
    """Return whether `other` is significantly worse than `best`, which was selected because it looks best.

    A one-sided test of two proportions (or of two values with a standard deviation each) at the 5 % level, divided by the
    number of other candidates (Bonferroni). The truly best trial is ruled out only if one of the `num_candidates` - 1 others,
    which are no better, beats it by that much; so the remaining trials include it with at least 95 % probability, whatever the
    accuracies are. Trials usually share their images, so that differences by chance are smaller than assumed: the test keeps
    too many trials, not too few.

    Two means over the same folds are compared by the paired t test over folds, with the variance that Nadeau and Bengio
    ("Inference for the Generalization Error", 2003) give it, as the trainings of the folds share images.
    """
    from scipy.special import ndtri, stdtrit

    if not best.num_valid or not other.num_valid:
        return False
    level = (1 - CONFIDENCE) / max(1, num_candidates - 1)
    if best.folds and len(best.folds) == len(other.folds):
        num_folds = len(best.folds)
        differences = [ours - theirs for ours, theirs in zip(best.folds, other.folds, strict=True)]
        error = statistics.stdev(differences) * math.sqrt(1 / num_folds + 1 / (num_folds - 1))
        return best.accuracy - other.accuracy > float(stdtrit(num_folds - 1, 1 - level)) * error
    if best.deviation is not None and other.deviation is not None:
        deviation = math.hypot(best.deviation, other.deviation)
    else:
        right = best.accuracy * best.num_valid + other.accuracy * other.num_valid
        pooled = right / (best.num_valid + other.num_valid)
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / best.num_valid + 1 / other.num_valid))
    critical = float(ndtri(1 - level))
    return best.accuracy - other.accuracy > critical * deviation


def expected_maximum(count: int) -> float:
    """Return the expected maximum of `count` standard normal numbers: 0 for one, 2.51 for a hundred."""
    import numpy as np
    from scipy.special import log_ndtr

    if count < 2:
        return 0.0
    z = np.linspace(-10.0, 10.0, 4001)
    density = count * np.exp(-(z**2) / 2 + (count - 1) * log_ndtr(z)) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(z * density, z))


def sentence(noise: Noise) -> str:
    """Return the noise as a sentence."""
    interval = ""
    if noise.interval is not None:
        interval = f"; the best's is between {noise.interval[0]:.4f} and {noise.interval[1]:.4f} with 95 %, by bootstrap"
    what = f"One {_words(noise.objective)} on {counted(noise.num_valid, 'validation image')}"
    why = f"one standard deviation, from the number of images alone{interval}"
    if noise.num_folds:
        what = f"A mean {_words(noise.objective)} over {counted(noise.num_folds, 'fold')}"
        why = "the best trial's standard error over the folds"
    line = f"{what} is uncertain by {noise.deviation:.4f} ({why})"
    if noise.num_candidates == 1:
        return f"{line}."
    if not noise.tied:
        return f"{line}: the best stands out."
    others = "the other complete trial"
    if noise.num_candidates > 2:
        others = f"{len(noise.tied)} of the other {counted(noise.num_candidates - 1, 'complete trial')}"
    return (
        f"{line}: {others} (~) cannot be told from the best, "
        f"trial {noise.best}. Of {len(noise.tied) + 1} equally good ones the best looks "
        f"{noise.selection_bias:.4f} better than it is."
    )


def _words(objective: str) -> str:
    return METRICS[objective].label.removeprefix("validation ") if objective in METRICS else objective


def across(studies: Sequence[Study]) -> list[str]:
    """Return sentences on whether the best trials of several studies differ beyond the noise; empty for fewer than two.

    Only studies of one objective that are validated on the same images are compared; if there are others, a sentence says so.
    """
    return [line for name in dict.fromkeys(study.objectives for study in studies) for line in _across(studies, name)]


def _across(studies: Sequence[Study], objectives: tuple[str, ...]) -> list[str]:
    of_these = [study for study in studies if study.objectives == objectives]
    known = [study for study in of_these if (best := accuracies(study)[:1]) and best[0].num_valid]
    groups = validated_on.alike(known)
    lines = []
    if len(groups) > 1:
        what = _listed(validated_on.differences(known))
        within = " Within each:" if any(len(group) > 1 for group in groups) else ""
        names = " | ".join(_listed([study.name for study in group]) for group in groups)
        values = "Accuracies" if objectives == (_ACCURACY,) else f"Values of {_words(objectives[0])}"
        lines = [f"{values} on different {what} do not compare: {names}.{within}"]
    return lines + [_ranked(group) for group in groups if len(group) > 1]


def _ranked(studies: Sequence[Study]) -> str:
    named = {study.name: accuracies(study) for study in studies}
    num_candidates = sum(map(len, named.values()))
    bests = {name: candidates[0] for name, candidates in named.items()}
    first = max(bests, key=lambda name: bests[name].accuracy)
    others = [name for name in bests if name != first]
    open_ = [name for name in others if not is_significantly_worse(bests[first], bests[name], num_candidates)]
    worse = [name for name in others if name not in open_]
    parts = [f"{_listed(worse)} {'is' if len(worse) == 1 else 'are'} worse beyond the noise"] if worse else []
    parts += [f"{_listed(open_)} cannot be told from it"] if open_ else []
    return f"The best is {first}'s: {', and '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
