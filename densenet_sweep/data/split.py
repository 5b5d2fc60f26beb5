"""The validation split: stratified, seeded, cut from the training images; groups of images stay together.

Shape suffixes: N images of a set, K classes.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch

from densenet_sweep.counts import counted
from densenet_sweep.data import labels
from densenet_sweep.data.images import Images
from densenet_sweep.data.known import split_sizes

# With fewer images of a class, a network learns little and an accuracy says little.
_FEW = 10
_MOST_NAMES = 5

# The most folds that groups are cut into; some of the folds together make up the requested fraction.
_MOST_FOLDS = 20


def split(
    images: Images,
    *,
    valid_fraction: float,
    num_train: int | None,
    seed: int,
    key: str = "data.valid_fraction",
    num_left: int = 1,
    groups_N: np.ndarray | None = None,
) -> tuple[Images, Images]:
    """Return (train, valid) of `images`; for the arguments and what is raised see `split_rows`."""
    train, valid = split_rows(
        labels.strata(images.labels_N.cpu().numpy()),
        valid_fraction=valid_fraction,
        num_train=num_train,
        seed=seed,
        key=key,
        num_left=num_left,
        groups_N=groups_N,
    )
    return images.select(torch.from_numpy(train)), images.select(torch.from_numpy(valid))


def subset(images: Images, *, num_train: int | None, seed: int) -> Images:
    """Return a stratified, seeded part of `num_train` images that includes the smaller ones; all of them for None.

    Raises:
        ValueError: `num_train` is out of range.
    """
    if num_train is None:
        return images
    labels_N = labels.strata(images.labels_N.cpu().numpy())
    num_classes = len(np.unique(labels_N))
    if not num_classes <= num_train <= len(labels_N):
        raise ValueError(f"data.num_train={num_train}: between {num_classes} and {len(labels_N)} is accepted")
    order_N = np.argsort(_places_in_class(labels_N, np.random.default_rng(seed)), kind="stable")
    chosen = _every_class_first(order_N, labels_N, num_last=0)[:num_train]
    return images.select(torch.from_numpy(np.sort(chosen)))


def split_rows(
    labels_N: np.ndarray,
    *,
    valid_fraction: float,
    num_train: int | None,
    seed: int,
    key: str = "data.valid_fraction",
    num_left: int = 1,
    groups_N: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of (train, valid): valid has `valid_fraction` of each class, train `num_train` of the rest, or all.

    The validation split depends on `valid_fraction` and `seed` only, so runs with different `num_train` are comparable. A
    larger `num_train` includes the images of a smaller one. Both splits keep the class proportions to within one image per
    class, and the order of the data set. A class of at least two images has one in each split. With groups, which are kept
    together, the fraction and the proportions are met as nearly as they allow (scikit-learn's StratifiedGroupKFold).

    Args:
        labels_N: of the images; of several labels each, their `labels.strata`.
        valid_fraction: in (0, 1).
        num_train: size of a stratified subset of what validation leaves, or None for all of it.
        seed: of the choice.
        key: of `valid_fraction` in the config.
        num_left: a class of at most this many images gives none to validation.
        groups_N: the group of each image; None where images do not belong together.

    Raises:
        ValueError: a class too small to be split, or `num_train` out of range.
    """
    # An image's place in a random order of its class, in [0, 1): this one number decides everything.
    places_N = _places_in_class(labels_N, np.random.default_rng(seed))
    order_N = np.argsort(places_N, kind="stable")
    num_classes = len(np.unique(labels_N))
    wanted, num_valid = split_sizes(len(labels_N), num_classes, valid_fraction=valid_fraction, num_train=num_train, key=key)
    if groups_N is None:
        valid = _every_class_first(order_N, labels_N, num_last=num_left)[:num_valid]
    else:
        valid = _some_groups(labels_N, groups_N, fraction=valid_fraction, seed=seed, key=key)
        wanted = min(wanted, len(labels_N) - len(valid)) if num_train is not None else len(labels_N) - len(valid)
    left = order_N[~np.isin(order_N, valid)]
    train = _every_class_first(left, labels_N, num_last=0)[:wanted]
    return np.sort(train), np.sort(valid)


def _some_groups(labels_N: np.ndarray, groups_N: np.ndarray, *, fraction: float, seed: int, key: str) -> np.ndarray:
    """Return the places of about `fraction` of the images: whole groups, with the classes in about the same proportions.

    Raises:
        ValueError: fewer than two groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    num_groups = len(np.unique(groups_N))
    if num_groups < 2:
        raise ValueError(
            f"{key}={fraction:g}: all pictures are of one group, and a group is kept together; at least 2 groups are accepted"
        )
    most = min(_MOST_FOLDS, num_groups, len(labels_N))
    sizes = [(abs(part / folds - fraction), folds, part) for folds in range(2, most + 1) for part in range(1, folds)]
    _, num_folds, part = min(sizes)
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():  # a class of fewer images than folds is in some of them
        warnings.simplefilter("ignore", UserWarning)
        rows = [rows for _, rows in folds.split(labels_N, labels_N, groups_N)]
    # Those with most classes first: a class of few groups is then in both splits where it can be.
    rows.sort(key=lambda fold: -len(np.unique(labels_N[fold])))
    return np.concatenate(rows[:part])


def check_classes(train: Images, valid: Images, class_names: Sequence[str]) -> None:
    """Refuse splits that lack a class, or whose images all have the same labels: a measurement on them would say nothing.

    Raises:
        ValueError: naming the class and the remedy.
    """
    for name, labels_N in (("training", train.labels_N), ("validation", valid.labels_N)):
        if labels.is_multi_label(labels_N) and len(labels_N) and bool((labels_N == labels_N[0]).all()):
            raise ValueError(f"all images for {name} have the same labels; some with and some without a label are accepted")
    in_train_K, in_valid_K = (labels.counts(images.labels_N, len(class_names)) for images in (train, valid))
    counts = {name: pair for name, *pair in zip(class_names, in_train_K, in_valid_K, strict=True) if 0 in pair}
    if not counts:
        return
    need = ": a class needs an image for training and one for validation; give it more, or take it out"
    name, (in_train, in_valid) = next(iter(counts.items()))
    if in_train + in_valid > 1:  # of given splits: the class has enough, in one of them
        split = "validation" if in_train else "training"
        raise ValueError(f"class {name} has {counted(in_train + in_valid, 'image')}, and none of them for {split}{need}")
    raise ValueError(f"{_listed({name: sum(pair) for name, pair in counts.items()})}{need}")


def few_images(train: Images, valid: Images, class_names: Sequence[str]) -> str:
    """Return a sentence that names the classes with few images; empty if there are none."""
    both_K = [sum(pair) for pair in zip(*(labels.counts(it.labels_N, len(class_names)) for it in (train, valid)), strict=True)]
    few = {name: count for name, count in zip(class_names, both_K, strict=True) if count < _FEW}
    return f"{_listed(few)} for training and validation; an accuracy says little of so few" if few else ""


def _listed(counts: dict[str, int]) -> str:
    """Return a list such as "class cats has 1 image, class dogs has no image and 3 more have few"."""
    named = list(counts.items())[:_MOST_NAMES]
    said = [f"class {name} has {counted(count, 'image') if count else 'no image'}" for name, count in named]
    more = len(counts) - len(named)
    return ", ".join(said) + (f", and {more} more {'has' if more == 1 else 'have'} as few" if more else "")


def _every_class_first(order_N: np.ndarray, labels_M: np.ndarray, *, num_last: int) -> np.ndarray:
    """Return `order_N` with the first image of each class moved to its beginning, and the `num_last` last ones to its end.

    A class of `num_last` images or fewer moves to the end entirely. So a prefix of the order takes an image of each class and
    leaves some of each; where it did so without the change, it takes the same images.
    """
    labels_N = labels_M[order_N]
    by_class = np.argsort(labels_N, kind="stable")
    _, starts, counts = np.unique(labels_N[by_class], return_index=True, return_counts=True)
    rank_N, left_N = np.empty_like(by_class), np.empty_like(by_class)
    rank_N[by_class] = np.arange(len(order_N)) - np.repeat(starts, counts)
    left_N[by_class] = np.repeat(starts + counts, counts) - np.arange(len(order_N))  # with itself
    part_N = np.where(left_N <= num_last, 2, np.where(rank_N == 0, 0, 1))
    return order_N[np.argsort(part_N, kind="stable")]


def _places_in_class(labels_N: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return each image's place in a random order of its class, spread evenly over [0, 1) with a small random shift.

    For any threshold t, the images below it are then a fraction t of every class to within one image.
    """
    places_N = np.empty(len(labels_N))
    for label in np.unique(labels_N):
        members = np.flatnonzero(labels_N == label)
        places_N[generator.permutation(members)] = (np.arange(len(members)) + generator.random()) / len(members)
    return places_N
