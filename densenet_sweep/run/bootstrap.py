"""The uncertainty of a metric from the number of images alone, by resampling them within each class, or their groups.

Shape suffixes: N images of a split, R resamples.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from densenet_sweep.data.labels import strata
from densenet_sweep.run import class_metrics
from densenet_sweep.training.evaluation import Evaluation

# Fewer resamples of large splits, where each takes long: they still give the deviation to a tenth of itself.
_MOST_RESAMPLES = 200
_FEWEST_RESAMPLES = 50
_NUM_OUTPUTS = 4_000_000

# Names of other computations of the same numbers.
_SAME = {"loss": "log_loss"}


@dataclass(frozen=True)
class Uncertainty:
    """The standard deviation of a metric over the resamples, and the interval of their middle 95 %.

    `values` are those of the resamples, in an order that all evaluations of a split share, NaN where a class was missing;
    `num_drawn` images or groups are drawn for each.
    """

    deviation: float
    low: float
    high: float
    values: tuple[float, ...] = field(repr=False)
    num_drawn: int


def uncertainty(evaluation: Evaluation, name: str, groups_N: np.ndarray | None = None) -> Uncertainty | None:
    """Return the uncertainty of the metric `name`, such as `auroc`; None where outputs do not give it.

    It is None, too, for a value that is not a number, and for images of one group.

    Classes (of several labels, the rarest one of an image) keep their numbers of images, as a stratified split does. Of images
    in groups, whole groups are drawn instead: a patient's pictures are alike, and count as less than so many patients'. The
    same split is always resampled in the same way.

    Args:
        evaluation: of the split.
        name: of the metric; the accuracy only with groups, as its uncertainty is binomial otherwise.
        groups_N: the group of each image of the split.
    """
    name = _SAME.get(name, name)
    labels_N = evaluation.labels_N.numpy()
    if not class_metrics.is_computed(name, labels_N) and (name != "accuracy" or groups_N is None):
        return None
    if groups_N is not None and len(np.unique(groups_N)) < 2:
        return None
    probabilities_NK, is_right_N = class_metrics.probabilities(evaluation), evaluation.is_right_N.numpy()

    def value(chosen_N: np.ndarray | slice) -> float:
        if name == "accuracy":
            return float(is_right_N[chosen_N].mean())
        return class_metrics.value(name, labels_N[chosen_N], probabilities_NK[chosen_N])

    if not math.isfinite(value(slice(None))):
        return None
    num_resamples = min(_MOST_RESAMPLES, max(_FEWEST_RESAMPLES, _NUM_OUTPUTS // probabilities_NK.size))
    draw = _of_classes(strata(labels_N)) if groups_N is None else _of_groups(groups_N)
    generator = np.random.default_rng(0)
    values_R = np.array([value(draw(generator)) for _ in range(num_resamples)])
    known_R = values_R[np.isfinite(values_R)]  # groups that were drawn may lack a class
    if len(known_R) < num_resamples / 2:
        return None
    low, high = np.percentile(known_R, (2.5, 97.5))
    num_drawn = len(labels_N if groups_N is None else np.unique(groups_N))
    return Uncertainty(float(known_R.std(ddof=1)), float(low), float(high), tuple(values_R.tolist()), num_drawn)


def _of_classes(strata_N: np.ndarray) -> Callable[[np.random.Generator], np.ndarray]:
    members = [np.flatnonzero(strata_N == label) for label in np.unique(strata_N)]
    return lambda generator: np.concatenate([generator.choice(of_class, len(of_class)) for of_class in members])


def _of_groups(groups_N: np.ndarray) -> Callable[[np.random.Generator], np.ndarray]:
    members = [np.flatnonzero(groups_N == group) for group in np.unique(groups_N)]
    return lambda generator: np.concatenate([members[index] for index in generator.choice(len(members), len(members))])
