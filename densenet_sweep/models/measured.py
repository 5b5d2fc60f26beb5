"""How good a model is on labelled pictures: the metrics of training and confirmation, with 95 % intervals.

Shape suffixes: N pictures, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.run import bootstrap, class_metrics
from densenet_sweep.training.evaluation import Evaluation, evaluate


@dataclass(frozen=True)
class Measured:
    """A metric of some pictures; NaN where they do not give it, such as an AUROC of one class. The interval is one of 95 %."""

    name: str
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class OfClass:
    """The pictures of a class, and which share of them was found; of those taken for it, which share belongs to it."""

    name: str
    num_images: int
    recall: float | None
    precision: float | None


def evaluation(probabilities_NK: Tensor, labels_N: Tensor) -> Evaluation:
    """Return what training makes of a network's outputs, from probabilities."""
    # The softmax of the logarithms are the probabilities; a 0 counts as the smallest number, as its logarithm is infinite.
    logits_NK = probabilities_NK.clamp_min(torch.finfo(torch.float32).tiny).log()
    return evaluate(nn.Flatten(), [(logits_NK[:, :, None, None], labels_N)], dtype=torch.float32)


def metrics(found: Evaluation) -> list[Measured]:
    """Return the accuracy with its Wilson interval, and the other metrics with the bootstrap's."""
    from scipy.stats import binomtest

    right = int(found.is_right_N.sum())
    wilson = binomtest(right, len(found.is_right_N)).proportion_ci(method="wilson")
    measured = [Measured("accuracy", found.accuracy, (float(wilson.low), float(wilson.high)))]
    for name, value in class_metrics.compute(found, list(OF_OUTPUTS)).items():
        known = bootstrap.uncertainty(found, name)
        measured.append(Measured(name, value, None if known is None else (known.low, known.high)))
    return measured


def classes(confusion_KK: Tensor | None, class_names: tuple[str, ...]) -> list[OfClass]:
    """Return a row for each class that some picture has or was taken for."""
    assert confusion_KK is not None, "the pictures have one class each"
    rows = []
    totals_K, predicted_K = confusion_KK.sum(dim=1).tolist(), confusion_KK.sum(dim=0).tolist()
    for name, total, predicted, right in zip(class_names, totals_K, predicted_K, confusion_KK.diagonal().tolist(), strict=True):
        if total or predicted:
            rows.append(OfClass(name, total, right / total if total else None, right / predicted if predicted else None))
    return rows
