"""How good a model is on labelled pictures: the metrics of training and confirmation, with 95 % intervals.

Shape suffixes: N pictures, K classes.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.models.classifier import Signature
from densenet_sweep.run import bootstrap, class_metrics, label_table, operating_point
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


@dataclass(frozen=True)
class OfLabel:
    """The pictures that have a label, how it ranks pictures, and its shares with a probability of at least the threshold."""

    name: str
    num_images: int
    auroc: float | None
    average_precision: float | None
    threshold: float
    recall: float | None
    specificity: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True)
class AtThreshold:
    """What the threshold of the second of two classes gives: the shares of it and of the first one that are recognised."""

    name: str
    threshold: float
    sensitivity: float
    specificity: float


def evaluation(probabilities_NK: Tensor, labels_N: Tensor) -> Evaluation:
    """Return what training makes of a network's outputs, from probabilities; labels_N may be multi-hot labels_NK."""
    if labels_N.ndim == 2:
        logits_NK = probabilities_NK.double().logit(eps=1e-12).float()
        return evaluate(nn.Flatten(), [(logits_NK[:, :, None, None], labels_N)], dtype=torch.float32)
    # The softmax of the logarithms are the probabilities; a 0 counts as the smallest number, as its logarithm is infinite.
    logits_NK = probabilities_NK.clamp_min(torch.finfo(torch.float32).tiny).log()
    return evaluate(nn.Flatten(), [(logits_NK[:, :, None, None], labels_N)], dtype=torch.float32)


def metrics(found: Evaluation, groups_N: np.ndarray | None = None) -> list[Measured]:
    """Return the accuracy with its Wilson interval, and the other metrics with the bootstrap's.

    Of pictures in groups, all intervals are from a bootstrap of the groups, and there are none for a single group.
    """
    from scipy.stats import binomtest

    right = int(found.is_right_N.sum())
    wilson = binomtest(right, len(found.is_right_N)).proportion_ci(method="wilson")
    of_pictures = (float(wilson.low), float(wilson.high))
    measured = []
    for name, value in {"accuracy": found.accuracy, **class_metrics.compute(found, list(OF_OUTPUTS))}.items():
        known = bootstrap.uncertainty(found, name, groups_N)
        interval = None if known is None else (known.low, known.high)
        measured.append(Measured(name, value, of_pictures if name == "accuracy" and groups_N is None else interval))
    return measured


def labels(found: Evaluation, class_names: tuple[str, ...], thresholds: tuple[float, ...] | None) -> list[OfLabel]:
    """Return a row for each label; without thresholds at one half."""
    columns = [it.name for it in fields(OfLabel)]
    rows: list[Any] = [
        {**row, "name": row["label"]} for row in label_table.rows(found, class_names, thresholds or [0.5] * len(class_names))
    ]
    return [OfLabel(**{column: row.get(column) for column in columns}) for row in rows]


def at_threshold(found: Evaluation, signature: Signature) -> AtThreshold | None:
    """Return what a model's threshold of the second of two classes gives; None where it has none, or a class is missing."""
    if signature.thresholds is None or signature.is_multi_label:
        return None
    point = operating_point.at(signature.thresholds[-1], found)
    return None if point is None else AtThreshold(signature.class_names[1], **asdict(point))


def classes(confusion_KK: Tensor | None, class_names: tuple[str, ...]) -> list[OfClass]:
    """Return a row for each class that some picture has or was taken for."""
    assert confusion_KK is not None, "the pictures have one class each"
    rows = []
    totals_K, predicted_K = confusion_KK.sum(dim=1).tolist(), confusion_KK.sum(dim=0).tolist()
    for name, total, predicted, right in zip(class_names, totals_K, predicted_K, confusion_KK.diagonal().tolist(), strict=True):
        if total or predicted:
            rows.append(OfClass(name, total, right / total if total else None, right / predicted if predicted else None))
    return rows
