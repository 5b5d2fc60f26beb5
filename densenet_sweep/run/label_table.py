"""The results of each label where images have any number of them, and the probability from which on it is predicted.

Shape suffixes: N images of a split, K labels.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from densenet_sweep.run import class_metrics
from densenet_sweep.training.evaluation import Evaluation

FILE = "labels.csv"
_COLUMNS = ("label", "num_images", "auroc", "average_precision", "threshold", "recall", "specificity", "precision", "f1")

Row = Mapping[str, str | float]


def best_thresholds(evaluation: Evaluation) -> list[float]:
    """Return the threshold of each label that has the largest F1 on the split, the largest one of equals.

    A label is predicted from its threshold on. One that no image of the split has keeps one half.
    """
    from sklearn.metrics import precision_recall_curve

    found = []
    for has_N, score_N in _by_label(evaluation):
        if not has_N.any():
            found.append(0.5)
            continue
        precision, recall, thresholds = precision_recall_curve(has_N, score_N)
        both = precision[:-1] + recall[:-1]
        f1 = np.divide(2 * precision[:-1] * recall[:-1], both, out=np.zeros_like(both), where=both > 0)
        found.append(float(thresholds[len(f1) - 1 - f1[::-1].argmax()]))
    return found


def rows(evaluation: Evaluation, class_names: Sequence[str], thresholds: Sequence[float]) -> list[Row]:
    """Return the row of each label, by `_COLUMNS`; a number that the split does not give is left out."""
    return [
        {"label": name, "threshold": threshold, **_measured(has_N, score_N, threshold)}
        for name, threshold, (has_N, score_N) in zip(class_names, thresholds, _by_label(evaluation), strict=True)
    ]


def write(folder: Path, table: Sequence[Row]) -> None:
    """Write the rows to `labels.csv` in `folder`.

    Raises:
        OSError: it cannot be written.
    """
    with (folder / FILE).open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, _COLUMNS)
        written.writeheader()
        written.writerows({key: f"{it:.4f}" if isinstance(it, float) else it for key, it in row.items()} for row in table)


def _measured(has_N: np.ndarray, score_N: np.ndarray, threshold: float) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

    [[tn, fp], [fn, tp]] = confusion_matrix(has_N, score_N >= threshold, labels=[0, 1]).tolist()
    shares = {
        "recall": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "precision": (tp, tp + fp),
        "f1": (2 * tp, 2 * tp + fp + fn),
    }
    ranking = {}
    if 0 < tp + fn < len(has_N):
        scores = {"auroc": roc_auc_score, "average_precision": average_precision_score}
        ranking = {name: float(score(has_N, score_N)) for name, score in scores.items()}
    return {"num_images": tp + fn, **ranking, **{name: part / whole for name, (part, whole) in shares.items() if whole}}


def _by_label(evaluation: Evaluation) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return which images have each label, and its probabilities; those of broken outputs are 0."""
    probabilities_NK = np.nan_to_num(class_metrics.probabilities(evaluation))
    return list(zip(evaluation.labels_N.numpy().T, probabilities_NK.T, strict=True))
