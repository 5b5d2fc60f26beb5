"""Metrics of a network's outputs on a split, computed with scikit-learn.

One class against the others, averaged over the classes that the split has; of two classes the second is the positive one. Of
images with any number of labels, a mean over the labels; a label is predicted from a probability of one half on.
Shape suffixes: N images of a split, K outputs, P classes present. Of any number of labels, labels_N are multi-hot labels_NK.
"""

import math
from collections.abc import Callable, Collection, Iterable

import numpy as np

from densenet_sweep.training.evaluation import Evaluation

# Confidences are compared with accuracies in this many bins of equal width (Guo et al., 2017).
_NUM_BINS = 15


def compute(evaluation: Evaluation, names: Collection[str]) -> dict[str, float]:
    """Return those of the metrics `names`, such as `auroc`, that are computed here.

    Outputs that are not numbers give NaN, and so does a split of a single class where a metric needs two.
    """
    labels_N = evaluation.labels_N.numpy()
    wanted = [name for name in _computations(labels_N) if name in names]
    if not wanted:
        return {}
    probabilities_NK = probabilities(evaluation)
    return {name: value(name, labels_N, probabilities_NK) for name in wanted}


def is_computed(name: str, labels_N: np.ndarray) -> bool:
    """Return whether the metric `name` is computed here for such labels."""
    return name in _computations(labels_N)


def value(name: str, labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    """Return the metric `name`; NaN where `compute` says so."""
    if not np.isfinite(probabilities_NK).all():
        return math.nan
    return float(_computations(labels_N)[name](labels_N, probabilities_NK))


def probabilities(evaluation: Evaluation) -> np.ndarray:
    """Return probabilities_NK in fp64."""
    logits_NK = evaluation.logits_NK.double()
    is_multi_label = evaluation.labels_N.ndim == 2
    probabilities_NK: np.ndarray = (logits_NK.sigmoid() if is_multi_label else logits_NK.softmax(dim=1)).numpy()
    return probabilities_NK


def _balanced_accuracy(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import recall_score

    # balanced_accuracy_score is the same, and warns of predicted classes that the split does not have.
    predicted_N = probabilities_NK.argmax(axis=1)
    return recall_score(labels_N, predicted_N, labels=np.unique(labels_N), average="macro", zero_division=0.0)  # type: ignore[no-any-return]


def _macro_f1(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    predicted_N = probabilities_NK.argmax(axis=1)
    return f1_score(labels_N, predicted_N, labels=np.unique(labels_N), average="macro", zero_division=0.0)  # type: ignore[no-any-return]


def _auroc(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return _against_others(roc_auc_score, labels_N, probabilities_NK)


def _average_precision(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return _against_others(average_precision_score, labels_N, probabilities_NK)


def _against_others(score: Callable[..., float], labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    present_P = np.unique(labels_N)
    if len(present_P) < 2:
        return math.nan
    if probabilities_NK.shape[1] == 2:
        return score(labels_N, probabilities_NK[:, 1])
    return score(labels_N[:, None] == present_P, probabilities_NK[:, present_P], average="macro")


def _log_loss(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import log_loss

    return log_loss(labels_N, probabilities_NK, labels=range(probabilities_NK.shape[1]))  # type: ignore[no-any-return]


def _calibration_error(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    """Return the mean distance of confidence and accuracy, weighted by images; scikit-learn's curve lacks the weights."""
    confidences_N = probabilities_NK.max(axis=1)
    surplus_N = confidences_N - (probabilities_NK.argmax(axis=1) == labels_N)
    bins_N = np.minimum((confidences_N * _NUM_BINS).astype(np.int64), _NUM_BINS - 1)
    return float(np.abs(np.bincount(bins_N, weights=surplus_N)).sum()) / len(labels_N)


_COMPUTATIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "auroc": _auroc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "calibration_error": _calibration_error,
}


def _f1_of_labels(labels_NK: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    present = labels_NK.any(axis=0)
    predicted_NK = probabilities_NK >= 0.5
    return _mean(f1_score(has_N, said_N) for has_N, said_N in zip(labels_NK.T[present], predicted_NK.T[present], strict=True))


def _auroc_of_labels(labels_NK: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return _mean_of_labels(roc_auc_score, labels_NK, probabilities_NK)


def _average_precision_of_labels(labels_NK: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return _mean_of_labels(average_precision_score, labels_NK, probabilities_NK)


def _log_loss_of_labels(labels_NK: np.ndarray, probabilities_NK: np.ndarray) -> float:
    from sklearn.metrics import log_loss

    pairs = zip(labels_NK.T, probabilities_NK.T, strict=True)
    return _mean(log_loss(has_N, score_N, labels=[0, 1]) for has_N, score_N in pairs)


def _mean_of_labels(score: Callable[..., float], labels_NK: np.ndarray, probabilities_NK: np.ndarray) -> float:
    """Return the mean over the labels that some images of the split have and some lack."""
    pairs = zip(labels_NK.T, probabilities_NK.T, strict=True)
    return _mean(score(has_N, score_N) for has_N, score_N in pairs if 0 < has_N.sum() < len(has_N))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else math.nan


_OF_MULTI_LABEL: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "macro_f1": _f1_of_labels,
    "auroc": _auroc_of_labels,
    "average_precision": _average_precision_of_labels,
    "log_loss": _log_loss_of_labels,
}


def _computations(labels_N: np.ndarray) -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    return _OF_MULTI_LABEL if labels_N.ndim == 2 else _COMPUTATIONS
