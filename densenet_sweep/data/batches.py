"""Batches of float images, and their order.

Shape suffixes: N images of a set, B images in a batch, C channels, H height, W width.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor
from torch.nn import functional

from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.draws import Draws
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.data.streaming import batches
from densenet_sweep.data.weights import of_mean_one


class EvalBatches:
    """The images in their order, without augmentation; each call starts from the first."""

    def __init__(
        self, images: Images, preprocessing: Preprocessing, *, batch_size: int, device: torch.device | None = None
    ) -> None:
        """Take the images, and the device that computes, unless it is where they are."""
        self._images = images
        self._device = device or images.labels_N.device
        self._preprocessing = preprocessing
        self._batch_size = batch_size

    def __call__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images_BCHW of float32, labels_B)."""
        chosen = (slice(start, start + self._batch_size) for start in range(0, len(self._images), self._batch_size))
        for images_BCHW, labels_B in batches(self._images, chosen, self._device):
            yield self._preprocessing.normalize(self._preprocessing.resize(images_BCHW)), labels_B


class TrainBatches:
    """The images in a new order each epoch, augmented, with their weights where they have some.

    An epoch shows every image once. With `sampling="balanced"` it shows as many images, each class equally often, and within a
    class each image equally often, both to within one.

    All randomness of an epoch follows from (seed, epoch), so epochs can be repeated and a run continued. The last batch is
    smaller where the numbers do not divide; a single image left over joins the batch before, as BatchNorm needs two.
    """

    def __init__(
        self,
        images: Images,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
        *,
        batch_size: int,
        seed: int,
        sampling: str = "natural",
        device: torch.device | None = None,
        num_outputs: int | None = None,
    ) -> None:
        """Take the images and how they are shown.

        Args:
            images: of the training.
            preprocessing: before and after the augmentation.
            augmentation: of each image.
            batch_size: of all batches but the last.
            seed: of the order and the augmentation.
            sampling: natural or balanced.
            device: that computes, unless it is where the images are.
            num_outputs: of the network, for the targets of mixed images; by default as many as there are classes.
        """
        self._images = images
        self._device = device or images.labels_N.device
        self._preprocessing = preprocessing
        self._augmentation = augmentation
        self._seed = seed
        self._num_outputs = num_outputs or int(images.labels_N.max()) + 1
        self._members = _by_class(images.labels_N.cpu()) if sampling == "balanced" else None
        starts = list(range(0, len(images), batch_size))
        if len(starts) > 1 and len(images) - starts[-1] == 1:
            del starts[-1]
        self._bounds = [*starts, len(images)]
        weights_N = of_mean_one(images)
        self._weights_N = None if weights_N is None else weights_N.to(self._device)

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return len(self._bounds) - 1

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield (images_BCHW of float32, labels_B) of the epoch with this index; of mixed images targets_BK, not labels_B.

        Weights of the images follow as weights_B, whose mean over all of them is 1.
        """
        device = self._device
        # The order is drawn on the CPU, so that it is the same on every device.
        order = Generator().manual_seed(_mix(self._seed, epoch, 0))
        drawn_N = _order(len(self._images), self._members, order)
        order_N, there_N = drawn_N.to(device), drawn_N.to(self._images.labels_N.device)
        generator = Generator(device=device).manual_seed(_mix(self._seed, epoch, 1))
        draws = Draws(_mix(self._seed, epoch, 3), device)
        # The same draw in every epoch, inverted in every second one.
        turn_N = torch.rand(len(self._images), generator=Generator().manual_seed(_mix(self._seed, 0, 2))) < 0.5
        turn_N = (turn_N ^ (epoch % 2 == 1)).to(device)
        chosen = (there_N[start:stop] for start, stop in pairwise(self._bounds))
        for (start, stop), (images_BCHW, labels_B) in zip(
            pairwise(self._bounds), batches(self._images, chosen, device), strict=True
        ):
            chosen_B = order_N[start:stop]
            floats_BCHW = self._preprocessing.resize(images_BCHW)
            floats_BCHW = self._augmentation.before_normalizing(floats_BCHW, generator, turn_N[chosen_B], draws)
            floats_BCHW = self._preprocessing.normalize(floats_BCHW)
            floats_BCHW = self._augmentation.after_normalizing(floats_BCHW, generator, draws)
            weights_B = None if self._weights_N is None else self._weights_N[chosen_B]
            yield self._augmentation.mix(floats_BCHW, labels_B, draws, self._num_outputs, weights_B)


def resized(batches: Iterable[tuple[Tensor, ...]], image_size: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
    """Yield batches as `TrainBatches` does, with the augmented images_BCHW at `image_size`: bilinear, with antialiasing."""
    for images_BCHW, *others in batches:
        yield functional.interpolate(images_BCHW, image_size, mode="bilinear", antialias=True), *others


def _by_class(labels_N: Tensor) -> list[Tensor]:
    """Return the indices of each class's images."""
    counts_K = torch.bincount(labels_N)
    return list(torch.split(labels_N.argsort(stable=True), counts_K[counts_K > 0].tolist()))


def _order(num_images: int, members: Sequence[Tensor] | None, generator: Generator) -> Tensor:
    """Return order_N, the indices of an epoch; see `TrainBatches`."""
    if members is None:
        return torch.randperm(num_images, generator=generator)
    shares = [num_images // len(members)] * len(members)
    for index in torch.randperm(len(members), generator=generator)[: num_images % len(members)].tolist():
        shares[index] += 1
    chosen = [
        of_class[torch.randperm(len(of_class), generator=generator)][: share - shown]
        for of_class, share in zip(members, shares, strict=True)
        for shown in range(0, share, len(of_class))
    ]
    chosen_N = torch.cat(chosen)
    return chosen_N[torch.randperm(num_images, generator=generator)]


def _mix(seed: int, epoch: int, purpose: int) -> int:
    """Return a seed for one use in one epoch; the odd constants keep neighbours apart."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + purpose) % 2**63
