"""Labels of images: one class each, or any number of labels each, which are then a row of zeros and ones (multi-hot).

Shape suffixes: N images of a set, K classes. labels_N may also be labels_NK, multi-hot.
"""

import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
import torch
from torch import Tensor

# Between the labels of a picture, in a cell of a table.
SEPARATOR = "|"

# What programs write where there is no value.
_MISSING = ("nan", "na", "n/a", "none", "null", "<na>")


def as_name(text: str) -> str:
    """Return the name of a class as folders and cells have it: single spaces, none around it, Unicode's composed characters."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def is_multi_label(labels_N: Tensor | np.ndarray) -> bool:
    """Return whether an image may have several labels, or none."""
    return labels_N.ndim == 2


def counts(labels_N: Tensor | np.ndarray, num_classes: int) -> list[int]:
    """Return how many images have each class."""
    labels_N = torch.as_tensor(labels_N)
    counts_K = labels_N.sum(dim=0) if is_multi_label(labels_N) else torch.bincount(labels_N, minlength=num_classes)
    found: list[int] = counts_K.tolist()
    return found


def totals(labels_N: Tensor, num_classes: int, weights_N: Tensor | None) -> Tensor:
    """Return totals_K of float64 on the processor, the sum of the images' weights by class; without weights their number."""
    labels_N = labels_N.cpu()  # MPS has no float64
    weights_N = torch.ones(len(labels_N)) if weights_N is None else weights_N.cpu()
    if is_multi_label(labels_N):
        return weights_N.double() @ labels_N.double()
    return torch.bincount(labels_N, weights=weights_N.double(), minlength=num_classes)


def has(labels_N: np.ndarray, label: int) -> np.ndarray:
    """Return has_N, whether each image has this class."""
    has_N: np.ndarray = labels_N[:, label] > 0 if is_multi_label(labels_N) else labels_N == label
    return has_N


def num_without(labels_N: Tensor | np.ndarray) -> int:
    """Return how many images have no label."""
    return int((torch.as_tensor(labels_N).sum(dim=1) == 0).sum()) if is_multi_label(labels_N) else 0


def strata(labels_N: np.ndarray) -> np.ndarray:
    """Return strata_N, by which a set of images is split: the class or, of several labels, the rarest; K for no label."""
    if not is_multi_label(labels_N):
        return labels_N
    num_classes = labels_N.shape[1]
    # By rank and not by count: labels of equal counts stay apart.
    rank_K = np.argsort(np.argsort(labels_N.sum(axis=0), kind="stable"))
    rarest_N: np.ndarray = np.where(labels_N > 0, rank_K, num_classes).argmin(axis=1)
    return np.where(labels_N.any(axis=1), rarest_N, num_classes)


def split_cells(cells: Sequence[str], separator: str) -> list[list[str]]:
    """Return the labels in each cell, such as `a|b`; an empty one has none."""
    return [list(dict.fromkeys(label for part in cell.split(separator) if (label := part.strip()))) for cell in cells]


def multi_hot(labels: Sequence[Sequence[str]], class_names: Sequence[str]) -> list[tuple[int, ...]]:
    """Return a row of zeros and ones for each image."""
    return [tuple(int(name in having) for name in class_names) for having in map(set, labels)]


def alike(class_names: Sequence[str]) -> str:
    """Return a sentence on classes that may be one, or none; empty if there are no such."""
    by_form: dict[str, list[str]] = {}
    for name in class_names:
        by_form.setdefault(_form(name), []).append(name)
    said = [f"classes {' and '.join(names)} may be one" for names in by_form.values() if len(names) > 1]
    said += [f"class {name} may be a missing label" for name in class_names if name.casefold() in _MISSING]
    return "; ".join(said)


def _form(name: str) -> str:
    """Return what names have in common that differ in capitals, spaces, what cannot be seen, or the form of a number."""
    try:
        return str(Decimal(name).normalize())
    except InvalidOperation:
        shown = "".join(it for it in unicodedata.normalize("NFKC", name) if unicodedata.category(it) != "Cf")
        return " ".join(shown.replace("_", " ").replace("-", " ").split()).casefold()
