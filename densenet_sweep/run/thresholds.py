"""The thresholds of a network's outputs, chosen on a split."""

from densenet_sweep.run import label_table, operating_point
from densenet_sweep.training.evaluation import Evaluation

# A trial's annotation: those of its last epoch, by the outputs.
THRESHOLDS = "thresholds"


def choose(evaluation: Evaluation, specificity: float) -> list[float] | None:
    """Return the thresholds of the outputs on a split; None where the task has none.

    Of several labels an image, those of the largest F1; of two classes, the one of the second that keeps the specificity. For
    what is chosen see `label_table` and `operating_point`.
    """
    if evaluation.labels_N.ndim == 2:
        return label_table.best_thresholds(evaluation)
    point = operating_point.choose(evaluation, specificity)
    return None if point is None else [1 - point.threshold, point.threshold]
