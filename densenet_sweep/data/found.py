"""One line on what was found of a user's own pictures: classes by split, what was left out, copies across splits.

Shape suffixes: N images of a set, K classes.
"""

from collections.abc import Sequence

import numpy as np

from densenet_sweep.counts import counted
from densenet_sweep.data import labels, weights
from densenet_sweep.data.images import Images, Source

_MOST_CLASSES = 20


def line(source: Source, train: Images, valid: Images | None, folds: Sequence[Images] = ()) -> str:
    """Return the line; empty for a data set that is none of the user's own.

    Args:
        source: of the images.
        train: of them.
        valid: of them; None where `train` is in folds.
        folds: the parts of `train` that take turns in validation.
    """
    found = source.found
    if found is None:
        return ""
    images = {"train": train} if valid is None else {"train": train, "valid": valid}
    rows = {**{name: _rows(some) for name, some in images.items()}, "test": found.test_rows}
    having = {**{name: some.labels_N.cpu().numpy() for name, some in images.items()}, "test": found.test_labels}
    parts = [", ".join(_counted(name, having[name], source.class_names) for name in rows)]
    if source.value_range is not None:
        low, high = source.value_range
        parts.append(f"values {low:g} (black) to {high:g} (white)")
    if weighed := weights.described(train):
        parts.append(f"train has {weighed}")
    if found.skipped:
        parts.append(f"left out: {found.skipped}")
    if folds:
        sizes = sorted({len(fold) for fold in folds})
        many = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        parts.append(f"train in {len(folds)} folds of {many}")
        parts += _copies_across(list(map(_rows, folds)), found.contents, found.names)
    parts += _copies(rows, found.contents, found.names)
    return "; ".join(parts)


def contradictions(source: Source, train: Images, valid: Images | None) -> str:
    """Return a sentence on files that are in several classes, in whatever splits; empty if there are none."""
    found = source.found
    if found is None:
        return ""
    sets = [train] if valid is None else [train, valid]
    rows_N = np.concatenate([*map(_rows, sets), found.test_rows])
    labels_N = np.concatenate([*(some.labels_N.cpu().numpy() for some in sets), found.test_labels])
    _, first, same = np.unique(found.contents[rows_N], return_index=True, return_inverse=True)
    differs = labels_N != labels_N[first[same]]
    others = np.flatnonzero(differs.any(axis=1) if differs.ndim == 2 else differs)
    if not len(others):
        return ""
    one, other = rows_N[others[0]], rows_N[first[same[others[0]]]]
    verb = "is a copy of one" if len(others) == 1 else "are copies of some"
    return f"{counted(len(others), 'picture')} {verb} with another label, such as {found.names[one]} of {found.names[other]}"


def seen(source: Source) -> np.ndarray | None:
    """Return numbers by which the files of training and validation are found again; None where there are no files."""
    found = source.found
    return np.delete(found.contents, found.test_rows) if found is not None and found.are_files else None


def _rows(images: Images) -> np.ndarray:
    rows_N = images.as_read.rows_N
    return np.arange(len(images)) if rows_N is None else rows_N.cpu().numpy()


def _counted(name: str, labels_N: np.ndarray, class_names: Sequence[str]) -> str:
    """Return such as `train 80 (a 40, b 40)`."""
    if not len(labels_N):
        return f"{name} 0"
    named = [f"{name} {count:,}" for name, count in zip(class_names, labels.counts(labels_N, len(class_names)), strict=True)]
    more = [f"{len(class_names) - _MOST_CLASSES} more"] if len(class_names) > _MOST_CLASSES else []
    without = labels.num_without(labels_N)
    more += [f"without a label {without:,}"] if without else []
    return f"{name} {len(labels_N):,} ({', '.join(named[:_MOST_CLASSES] + more)})"


def _copies(rows: dict[str, np.ndarray], contents: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a sentence for each pair of splits in which the same file is."""
    sentences = []
    for split, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        if split not in rows or other not in rows:
            continue
        copied = np.isin(contents[rows[split]], contents[rows[other]])
        if copied.any():
            first = rows[split][copied][0]
            same = rows[other][contents[rows[other]] == contents[first]][0]
            sentences.append(
                f"{int(copied.sum()):,} of {split} {'is a copy' if copied.sum() == 1 else 'are copies'} of {other}'s, "
                f"such as {names[first]} of {names[same]}"
            )
    return sentences


def _copies_across(folds: Sequence[np.ndarray], contents: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a sentence if the same file is in several folds."""
    rows = np.concatenate(folds)
    fold_of = np.concatenate([np.full(len(fold), number) for number, fold in enumerate(folds)])
    _, same = np.unique(contents[rows], return_inverse=True)
    first = np.full(same.max() + 1, len(folds))
    np.minimum.at(first, same, fold_of)
    copied = np.flatnonzero(fold_of > first[same])
    if not len(copied):
        return []
    original = rows[np.flatnonzero((same == same[copied[0]]) & (fold_of == first[same[copied[0]]]))[0]]
    verb = "is a copy" if len(copied) == 1 else "are copies"
    return [f"{len(copied):,} {verb} of another fold's, such as {names[rows[copied[0]]]} of {names[original]}"]
