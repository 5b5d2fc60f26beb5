"""The validation split: stratified, seeded, cut from the training images."""

from collections.abc import Sequence

import numpy as np
import torch

from densenet_sweep.counts import counted
from densenet_sweep.data.images import Images
from densenet_sweep.data.known import split_sizes

# With fewer images of a class, a network learns little and an accuracy says little.
_FEW = 10
_MOST_NAMES = 5


def split(
    images: Images,
    *,
    valid_fraction: float,
    num_train: int | None,
    seed: int,
    key: str = "data.valid_fraction",
    num_left: int = 1,
) -> tuple[Images, Images]:
    """Return (train, valid): valid has `valid_fraction` of each class, train `num_train` images of the rest, or all.

    The validation split depends on `valid_fraction` and `seed` only, so runs with different `num_train` are comparable. A
    larger `num_train` includes the images of a smaller one. Both splits keep the class proportions to within one image per
    class, and the order of the data set. A class of at least two images has one in each split.

    Args:
        images: N of them.
        valid_fraction: in (0, 1).
        num_train: size of a stratified subset of what validation leaves, or None for all of it.
        seed: of the choice.
        key: of `valid_fraction` in the config.
        num_left: a class of at most this many images gives none to validation.

    Raises:
        ValueError: a class too small to be split, or `num_train` out of range.
    """
    labels_N = images.labels_N.cpu().numpy()
    # An image's place in a random order of its class, in [0, 1): this one number decides everything.
    places_N = _places_in_class(labels_N, np.random.default_rng(seed))
    order_N = np.argsort(places_N, kind="stable")
    num_classes = len(np.unique(labels_N))
    wanted, num_valid = split_sizes(len(labels_N), num_classes, valid_fraction=valid_fraction, num_train=num_train, key=key)
    valid = _every_class_first(order_N, labels_N, num_last=num_left)[:num_valid]
    left = order_N[~np.isin(order_N, valid)]
    train = _every_class_first(left, labels_N, num_last=0)[:wanted]
    return images.select(torch.from_numpy(np.sort(train))), images.select(torch.from_numpy(np.sort(valid)))


def check_classes(train: Images, valid: Images, class_names: Sequence[str]) -> None:
    """Refuse splits that lack a class: a measurement on them would say nothing about it.

    Raises:
        ValueError: naming the class and the remedy.
    """
    in_train_K, in_valid_K = _counts(train, class_names), _counts(valid, class_names)
    absent = {
        name: in_train + in_valid
        for name, in_train, in_valid in zip(class_names, in_train_K, in_valid_K, strict=True)
        if 0 in (in_train, in_valid)
    }
    if absent:
        raise ValueError(
            f"{_listed(absent)}: a class needs an image for training and one for validation; give it more, or take it out"
        )


def few_images(train: Images, valid: Images, class_names: Sequence[str]) -> str:
    """Return a sentence that names the classes with few images; empty if there are none."""
    both_K = [sum(pair) for pair in zip(_counts(train, class_names), _counts(valid, class_names), strict=True)]
    few = {name: count for name, count in zip(class_names, both_K, strict=True) if count < _FEW}
    return f"{_listed(few)} for training and validation; an accuracy says little of so few" if few else ""


def _listed(counts: dict[str, int]) -> str:
    """Return a list such as "class cats has 1 image, class dogs has no image and 3 more have few"."""
    named = list(counts.items())[:_MOST_NAMES]
    said = [f"class {name} has {counted(count, 'image') if count else 'no image'}" for name, count in named]
    more = len(counts) - len(named)
    return ", ".join(said) + (f", and {more} more {'has' if more == 1 else 'have'} as few" if more else "")


def _counts(images: Images, class_names: Sequence[str]) -> list[int]:
    counts: list[int] = torch.bincount(images.labels_N, minlength=len(class_names)).tolist()
    return counts


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
