"""One line on what was found of a user's own pictures: classes by split, what was left out, copies across splits.

Shape suffixes: N images of a set, K classes.
"""

from collections.abc import Sequence

import numpy as np

from densenet_sweep.data.images import Images, Source

_MOST_CLASSES = 20


def line(source: Source, train: Images, valid: Images) -> str:
    """Return the line; empty for a data set that is none of the user's own.

    Args:
        source: of the images.
        train: of them.
        valid: of them.
    """
    found = source.found
    if found is None:
        return ""
    rows = {"train": _rows(train), "valid": _rows(valid), "test": found.test_rows}
    labels = {"train": train.labels_N.cpu().numpy(), "valid": valid.labels_N.cpu().numpy(), "test": found.test_labels}
    parts = [", ".join(_counted(name, labels[name], source.class_names) for name in rows)]
    if source.value_range is not None:
        low, high = source.value_range
        parts.append(f"values {low:g} (black) to {high:g} (white)")
    if found.skipped:
        parts.append(f"left out: {found.skipped}")
    parts += _copies(rows, found.contents, found.names)
    return "; ".join(parts)


def seen(source: Source) -> np.ndarray | None:
    """Return numbers by which the files of training and validation are found again; None where there are no files."""
    return None if source.found is None else np.delete(source.found.contents, source.found.test_rows)


def _rows(images: Images) -> np.ndarray:
    return np.arange(len(images)) if images.rows_N is None else images.rows_N.cpu().numpy()


def _counted(name: str, labels_N: np.ndarray, class_names: Sequence[str]) -> str:
    """Return such as `train 80 (a 40, b 40)`."""
    counts_K = np.bincount(labels_N, minlength=len(class_names))
    if not len(labels_N):
        return f"{name} 0"
    named = [f"{name} {count:,}" for name, count in zip(class_names, counts_K, strict=True)][:_MOST_CLASSES]
    more = [f"{len(class_names) - _MOST_CLASSES} more"] if len(class_names) > _MOST_CLASSES else []
    return f"{name} {len(labels_N):,} ({', '.join(named + more)})"


def _copies(rows: dict[str, np.ndarray], contents: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return a sentence for each pair of splits in which the same file is."""
    sentences = []
    for split, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        copied = np.isin(contents[rows[split]], contents[rows[other]])
        if copied.any():
            first = rows[split][copied][0]
            same = rows[other][contents[rows[other]] == contents[first]][0]
            sentences.append(
                f"{int(copied.sum()):,} of {split} {'is a copy' if copied.sum() == 1 else 'are copies'} of {other}'s, "
                f"such as {names[first]} of {names[same]}"
            )
    return sentences
