"""Which trials cannot be told from the best, from the number of validation images, and how much picking the best flatters it.

Nothing here knows of seeds: training again with another one adds to what the images leave uncertain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from densenet_sweep.results import validated_on
from densenet_sweep.results.study import Study

# How sure one wants to be that the truly best trial is among those that are not ruled out.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Noise:
    """What the images leave open about the best trial.

    Attributes:
        best: its number.
        deviation: one standard deviation of its accuracy.
        num_valid: images in the validation split.
        num_candidates: complete trials, the best among them.
        tied: numbers of the others that cannot be told from it, better ones first.
        selection_bias: by how much the best of so many equally good trials looks better than it is, on average.
    """

    best: int
    deviation: float
    num_valid: int
    num_candidates: int
    tied: tuple[int, ...]
    selection_bias: float


def estimate(study: Study) -> Noise | None:
    """Return the noise of a study that maximizes validation accuracy; None for any other, or without a complete trial."""
    candidates = accuracies(study)
    if not candidates or not candidates[0].num_valid:
        return None
    best = candidates[0]
    tied = [other for other in candidates[1:] if not is_significantly_worse(best, other, len(candidates))]
    # As if two more had been wrong (Agresti and Coull, 1998), where all were right: an accuracy of 1 is not certain.
    accuracy = min(best.accuracy, (best.num_valid + 2) / (best.num_valid + 4))
    deviation = math.sqrt(accuracy * (1 - accuracy) / best.num_valid)
    selection_bias = expected_maximum(1 + len(tied)) * deviation
    return Noise(best.number, deviation, best.num_valid, len(candidates), tuple(other.number for other in tied), selection_bias)


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a complete trial on so many images; 0 where their number is not known."""

    number: int
    accuracy: float
    num_valid: int


def accuracies(study: Study) -> list[Accuracy]:
    """Return those of the complete trials, best first; nothing where the objective is another one, or the images differ."""
    if study.objectives != ("valid_accuracy",) or validated_on.searched(study):
        return []
    found = [Accuracy(trial.number, trial.values[0], trial.num_valid or 0) for trial in study.complete]
    if not all(0 <= one.accuracy <= 1 for one in found):
        return []
    return sorted(found, key=lambda one: (-one.accuracy, one.number))


def is_significantly_worse(best: Accuracy, other: Accuracy, num_candidates: int) -> bool:
    """Tell whether `other` is worse than `best` for certain, although `best` was picked because it looks best.

    The test of two proportions, one-sided, at 5 % shared out among the other candidates (Bonferroni). The truly best trial
    is ruled out only where one that is no better beats it by that much, and there are `num_candidates` - 1 of these; so the
    trials that are left hold it with at least 95 % probability, whatever the accuracies are. Both are measured on the same
    images, as a rule, which makes differences smaller than assumed here: too many are left, not too few.
    """
    from scipy.special import ndtri

    if not best.num_valid or not other.num_valid:
        return False
    right = best.accuracy * best.num_valid + other.accuracy * other.num_valid
    pooled = right / (best.num_valid + other.num_valid)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / best.num_valid + 1 / other.num_valid))
    critical = float(ndtri(1 - (1 - CONFIDENCE) / max(1, num_candidates - 1)))
    return best.accuracy - other.accuracy > critical * deviation


def expected_maximum(count: int) -> float:
    """Return the mean of the largest of `count` standard normal numbers: 0 of one, 2.51 of a hundred."""
    import numpy as np
    from scipy.special import log_ndtr

    if count < 2:
        return 0.0
    z = np.linspace(-10.0, 10.0, 4001)
    density = count * np.exp(-(z**2) / 2 + (count - 1) * log_ndtr(z)) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(z * density, z))


def sentence(noise: Noise) -> str:
    """Return it as a line to be read."""
    line = (
        f"One accuracy on {noise.num_valid:,} validation images is uncertain by {noise.deviation:.4f} (one standard deviation, "
        "from the number of images alone)"
    )
    if noise.num_candidates == 1:
        return f"{line}."
    if not noise.tied:
        return f"{line}: the best stands out."
    return (
        f"{line}: {len(noise.tied)} of the other {noise.num_candidates - 1} complete trials (~) cannot be told from the best, "
        f"trial {noise.best}. Of {len(noise.tied) + 1} equally good ones the best looks "
        f"{noise.selection_bias:.4f} better than it is."
    )


def across(studies: Sequence[Study]) -> list[str]:
    """Return whether the bests of several studies differ beyond the noise, as lines; nothing where there are not two.

    Only studies that were validated on the same images are compared, and where there are others a line says so.
    """
    known = [study for study in studies if (best := accuracies(study)[:1]) and best[0].num_valid]
    groups = validated_on.alike(known)
    lines = []
    if len(groups) > 1:
        what = _listed(validated_on.differences(known))
        within = " Within each:" if any(len(group) > 1 for group in groups) else ""
        names = " | ".join(_listed([study.name for study in group]) for group in groups)
        lines = [f"Accuracies on different {what} do not compare: {names}.{within}"]
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
