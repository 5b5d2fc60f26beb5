"""How much each picture counts in the training loss: read from the cells of a table, checked and described.

Shape suffixes: N images of a set, B images in a batch, K classes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from densenet_sweep.counts import counted
from densenet_sweep.data import labels
from densenet_sweep.data.images import Images

# So many bad rows are named.
_MOST_ROWS = 3


def parse(cells: Sequence[str], is_used: Sequence[bool], *, column: str, name: str) -> list[float]:
    """Return the weight of each row; 1 for the rows that are not used, whatever their cells say.

    Args:
        cells: as text.
        is_used: whether the row's picture may be trained with.
        column: of the weights.
        name: of the table.

    Raises:
        ValueError: a weight is missing, no number, infinite or negative, or none is above 0; one line, with the first rows.
    """
    weights, bad = [], []
    for row, (cell, used) in enumerate(zip(cells, is_used, strict=True), 1):
        weight, reason = _number(cell) if used else (1.0, "")
        weights.append(weight)
        if reason:
            bad.append((row, cell, reason))
    if bad:
        reasons = [reason for _, _, reason in bad]
        counts = ", ".join(f"{reasons.count(reason):,} {reason}" for reason in dict.fromkeys(reasons))
        first = ", ".join(f"row {row} ({cell})" if cell else f"row {row}" for row, cell, _ in bad[:_MOST_ROWS])
        raise ValueError(
            f"{name}: {counted(len(bad), 'weight')} in {column} cannot be used ({counts}), such as {first}; "
            "a number of at least 0 is accepted in each row"
        )
    if not any(weight > 0 for weight, used in zip(weights, is_used, strict=True) if used):
        raise ValueError(f"{name}: every weight in {column} is 0, so there is nothing to learn from")
    return weights


def _number(cell: str) -> tuple[float, str]:
    """Return the weight, or what is wrong with it."""
    if not cell:
        return 0.0, "missing"
    try:
        weight = float(cell)
    except ValueError:
        return 0.0, "not a number"
    if not math.isfinite(weight):
        return 0.0, "not a number" if math.isnan(weight) else "infinite"
    return weight, "negative" if weight < 0 else ""


def check(train: Images, class_names: Sequence[str]) -> None:
    """Refuse training images of a class that has no weight at all.

    Raises:
        ValueError: names the first such class.
    """
    if train.weights_N is None:
        return
    of_classes = torch.as_tensor(labels.totals(train.labels_N, len(class_names), train.weights_N))
    for name, total in zip(class_names, of_classes.tolist(), strict=True):
        if total == 0:
            raise ValueError(
                f"data.weight_column: every training picture of class {name} has the weight 0; one above it is needed"
            )


def described(images: Images) -> str:
    """Return such as `weights 0.5 to 3, 12 of 0`; empty where there are none."""
    if images.weights_N is None:
        return ""
    weights_N = images.weights_N
    num_zero = int((weights_N == 0).sum())
    zeros = f", {num_zero:,} of 0" if num_zero else ""
    return f"weights {float(weights_N.min()):g} to {float(weights_N.max()):g}{zeros}"


def of_mean_one(images: Images) -> Tensor | None:
    """Return weights_N of the mean 1, so that their unit does not change how far a step goes; None where there are none."""
    if images.weights_N is None:
        return None
    return images.weights_N / float(images.weights_N.cpu().double().mean())
