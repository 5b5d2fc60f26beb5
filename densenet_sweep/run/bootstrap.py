"""The uncertainty of a metric from the number of images alone, by resampling them within each class.

Shape suffixes: N images of a split, R resamples.
"""

import math
from dataclasses import dataclass

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
    """The standard deviation of a metric over the resamples, and the interval of their middle 95 %."""

    deviation: float
    low: float
    high: float


def uncertainty(evaluation: Evaluation, name: str) -> Uncertainty | None:
    """Return the uncertainty of the metric `name`, such as `auroc`; None for one that outputs do not give, or is not a number.

    Classes (of several labels, the rarest one of an image) keep their numbers of images, as a stratified split does. The same
    split is always resampled in the same way.
    """
    name = _SAME.get(name, name)
    labels_N = evaluation.labels_N.numpy()
    if not class_metrics.is_computed(name, labels_N):
        return None
    probabilities_NK = class_metrics.probabilities(evaluation)
    if not math.isfinite(class_metrics.value(name, labels_N, probabilities_NK)):
        return None
    strata_N = strata(labels_N)
    members = [np.flatnonzero(strata_N == label) for label in np.unique(strata_N)]
    num_resamples = min(_MOST_RESAMPLES, max(_FEWEST_RESAMPLES, _NUM_OUTPUTS // probabilities_NK.size))
    generator = np.random.default_rng(0)
    values_R = np.empty(num_resamples)
    for index in range(num_resamples):
        chosen_N = np.concatenate([generator.choice(of_class, len(of_class)) for of_class in members])
        values_R[index] = class_metrics.value(name, labels_N[chosen_N], probabilities_NK[chosen_N])
    low, high = np.percentile(values_R, (2.5, 97.5))
    return Uncertainty(float(values_R.std(ddof=1)), float(low), float(high))
