"""Of two classes: from which probability of the second one on it is predicted, so that a specificity is kept.

Shape suffix: N images of a split.
"""

from dataclasses import dataclass

import numpy as np

from densenet_sweep.run import class_metrics
from densenet_sweep.training.evaluation import Evaluation


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, and the shares of the second class and of the first one that are recognised with it."""

    threshold: float
    sensitivity: float
    specificity: float


def at(threshold: float, evaluation: Evaluation) -> OperatingPoint | None:
    """Return what a threshold of the second of two classes gives on the split; None as for `choose`."""
    scored = _scored(evaluation)
    if scored is None:
        return None
    is_second_N, is_predicted_N = scored[0] == 1, scored[1] >= threshold
    return OperatingPoint(threshold, float(is_predicted_N[is_second_N].mean()), float(1 - is_predicted_N[~is_second_N].mean()))


def choose(evaluation: Evaluation, specificity: float) -> OperatingPoint | None:
    """Return the point of the highest sensitivity on the split with at least this specificity.

    The second class is predicted from the threshold on. None unless images have one of two classes, both are there, and the
    outputs are numbers.
    """
    from sklearn.metrics import roc_curve

    scored = _scored(evaluation)
    if scored is None:
        return None
    false_positive, true_positive, thresholds = roc_curve(*scored, drop_intermediate=False)
    kept = np.flatnonzero(1 - false_positive >= specificity - 1e-12)
    best = kept[true_positive[kept].argmax()]  # the first one: the highest threshold of equals
    # The curve begins where nothing is predicted, at infinity.
    threshold = min(float(thresholds[best]), float(np.nextafter(1.0, 2.0)))
    return OperatingPoint(threshold, float(true_positive[best]), float(1 - false_positive[best]))


def _scored(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray] | None:
    """Return labels_N and the probabilities of the second class; None unless `choose` gives a point."""
    labels_N = evaluation.labels_N.numpy()
    probabilities_NK = class_metrics.probabilities(evaluation)
    if labels_N.ndim != 1 or probabilities_NK.shape[1] != 2 or len(np.unique(labels_N)) != 2:
        return None
    return (labels_N, probabilities_NK[:, 1]) if np.isfinite(probabilities_NK).all() else None
