"""The validation split: stratified, seeded, cut from the training images."""

import numpy as np
import torch

from densenet_sweep.data.images import Images
from densenet_sweep.data.known import split_sizes


def split(images: Images, *, valid_fraction: float, num_train: int | None, seed: int) -> tuple[Images, Images]:
    """Return (train, valid): `valid_fraction` of each class for validation, of the rest `num_train` images or all.

    The validation split depends on `valid_fraction` and `seed` only, so runs with different `num_train` compare; and a
    larger `num_train` takes all images that a smaller one takes. Both splits keep the shares of the classes to within one
    image a class, and the order of the data set.

    Args:
        images: N of them.
        valid_fraction: in (0, 1).
        num_train: size of a stratified subset of what validation leaves, or None for all of it.
        seed: of the choice.

    Raises:
        ValueError: a class too small to be split, or `num_train` out of range.
    """
    labels_N = images.labels_N.cpu().numpy()
    # Where an image stands in a random order of its own class, in [0, 1): one number a image decides everything.
    places_N = _places_in_class(labels_N, np.random.default_rng(seed))
    order_N = np.argsort(places_N, kind="stable")
    num_classes = len(np.unique(labels_N))
    wanted, num_valid = split_sizes(len(labels_N), num_classes, valid_fraction=valid_fraction, num_train=num_train)
    valid = np.sort(order_N[:num_valid])
    train = np.sort(order_N[num_valid : num_valid + wanted])
    return images.select(torch.from_numpy(train)), images.select(torch.from_numpy(valid))


def _places_in_class(labels_N: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return each image's place in a random order of its class, spread evenly over [0, 1) with a small random shift.

    The images below a threshold t are then t of every class to within one image, whatever t.
    """
    places_N = np.empty(len(labels_N))
    for label in np.unique(labels_N):
        members = np.flatnonzero(labels_N == label)
        places_N[generator.permutation(members)] = (np.arange(len(members)) + generator.random()) / len(members)
    return places_N
