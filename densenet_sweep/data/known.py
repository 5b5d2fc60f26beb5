"""Facts about the supplied data sets, without reading a file, and the sizes of a split; imports no torch."""

from dataclasses import dataclass

from densenet_sweep.counts import counted


@dataclass(frozen=True)
class Facts:
    """Channels, classes and images of a data set's training part, validation images included."""

    num_channels: int
    num_classes: int
    num_images: int


# By the names of the functions in `densenet_sweep.data.sources`.
_SOURCES = "densenet_sweep.data.sources."
FACTS = {
    "fashion_mnist": Facts(1, 10, 60_000),
    "mnist": Facts(1, 10, 60_000),
    "kmnist": Facts(1, 10, 60_000),
    "cifar10": Facts(3, 10, 50_000),
    "cifar100": Facts(3, 100, 50_000),
    "svhn": Facts(3, 10, 73_257),
    "digits": Facts(1, 10, 1_438),
}


def facts(target: str) -> Facts | None:
    """Return the facts about the data set whose function is `target`; None unless it is a supplied one."""
    return FACTS.get(target.removeprefix(_SOURCES)) if target.startswith(_SOURCES) else None


def split_sizes(
    num_images: int,
    num_classes: int,
    *,
    valid_fraction: float,
    num_train: int | None,
    key: str = "data.valid_fraction",
) -> tuple[int, int]:
    """Return the numbers of training and validation images; for the arguments see `densenet_sweep.data.split.split`.

    Raises:
        ValueError: a split with fewer images than classes, or `num_train` out of range.
    """
    num_valid = round(valid_fraction * num_images)
    if num_images < 2 * num_classes:
        raise ValueError(
            f"{counted(num_images, 'image')} of {counted(num_classes, 'class')} cannot be split: each class needs at least 2; "
            "if the labels are numbers to be estimated, they are no classes"
        )
    if num_valid < num_classes or num_images - num_valid < num_classes:
        raise ValueError(
            f"{key}={valid_fraction:g} of {counted(num_images, 'image')} leaves a split with fewer images than the "
            f"{counted(num_classes, 'class')}; between {num_classes / num_images:.3g} and "
            f"{1 - num_classes / num_images:.3g} is accepted"
        )
    available = num_images - num_valid
    wanted = available if num_train is None else num_train
    if not num_classes <= wanted <= available:
        raise ValueError(
            f"data.num_train={num_train}: between {num_classes} and {available} is accepted, "
            f"as {key}={valid_fraction:g} holds {num_valid} of {counted(num_images, 'image')} out"
        )
    return wanted, num_valid
