"""The folds of a cross-validation: stratified, seeded; groups of images stay together.

Shape suffixes: N images of a set.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from densenet_sweep.counts import counted
from densenet_sweep.data import labels


def fold_rows(
    labels_N: np.ndarray, *, num_folds: int, seed: int, class_names: Sequence[str], groups_N: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the places of each fold's images, in the order of the set; each image is in one fold.

    Every class is in every fold, in about the same proportions: by scikit-learn's StratifiedKFold, or StratifiedGroupKFold
    where there are groups.

    Args:
        labels_N: of the images, or labels_NK.
        num_folds: at least 2.
        seed: of the choice.
        class_names: by label.
        groups_N: the group of each image, which is kept in one fold; None where images do not belong together.

    Raises:
        ValueError: more folds than groups, or than images (or groups) of a class; or a fold without a class.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _refuse_too_many(labels_N, num_folds, class_names, groups_N)
    kind = StratifiedKFold if groups_N is None else StratifiedGroupKFold
    folds = kind(num_folds, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():  # how many images a class has says nothing where groups count
        warnings.simplefilter("ignore", UserWarning)
        rows = [rows for _, rows in folds.split(labels_N, labels.strata(labels_N), groups_N)]
    for number, fold in enumerate(rows, 1):
        absent = [label for label in range(len(class_names)) if not labels.has(labels_N[fold], label).any()]
        if absent:
            raise ValueError(
                f"data.folds={num_folds}: fold {number} has no image of class {class_names[absent[0]]}, as its groups fall; "
                "fewer folds, or another data.split_seed, are accepted"
            )
    return rows


def _refuse_too_many(labels_N: np.ndarray, num_folds: int, class_names: Sequence[str], groups_N: np.ndarray | None) -> None:
    if groups_N is not None and num_folds > (num_groups := len(np.unique(groups_N))):
        raise ValueError(
            f"data.folds={num_folds}: at most {num_groups} is accepted, as there are {counted(num_groups, 'group')}"
        )
    units_N = np.arange(len(labels_N)) if groups_N is None else groups_N
    counts = [len(np.unique(units_N[labels.has(labels_N, label)])) for label in range(len(class_names))]
    fewest = min(counts)
    if num_folds > fewest:
        name, unit = class_names[counts.index(fewest)], "image" if groups_N is None else "group"
        has = f"has {counted(fewest, unit)}" if groups_N is None else f"is in {counted(fewest, unit)}"
        accepted = f"at most {fewest} is accepted" if fewest > 1 else "no folds are accepted"
        raise ValueError(f"data.folds={num_folds}: {accepted}, as class {name} {has}")
