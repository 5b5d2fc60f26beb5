"""Batches of float images: resized, augmented and normalised for a whole batch at once, where the images lie.

Shape suffixes: N images of a set, B images in a batch, C channels, H height, W width.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor
from torch.nn import functional

from densenet_sweep.data import augment
from densenet_sweep.data.images import Images


def channel_statistics(images: Images, *, normalize: bool) -> tuple[Tensor, Tensor]:
    """Return mean_C and std_C of the pixels, scaled to [0, 1]; 0 and 1 without `normalize`.

    Take those of the training split alone: they are learned from the data like anything else.
    """
    channels, device = images.images_NCHW.shape[1], images.images_NCHW.device
    if not normalize:
        return torch.zeros(channels, device=device), torch.ones(channels, device=device)
    counts_CV = torch.stack(
        [torch.bincount(images.images_NCHW[:, channel].flatten(), minlength=256) for channel in range(channels)]
    ).double()
    levels_V = torch.arange(256, device=device, dtype=torch.float64) / 255
    shares_CV = counts_CV / counts_CV.sum(dim=1, keepdim=True)
    mean_C = shares_CV @ levels_V
    variance_C = (shares_CV * (levels_V - mean_C[:, None]) ** 2).sum(dim=1)
    # A channel of one value says nothing; it is centred and left alone.
    std_C = torch.where(variance_C > 0, variance_C.sqrt(), 1.0)
    return mean_C.float(), std_C.float()


def to_float(images_BCHW: Tensor, image_size: int) -> Tensor:
    """Return `images_BCHW` of uint8 as floats of the levels 0 to 255, resized to `image_size` squared pixels.

    Bilinear with antialiasing and rounded to whole levels: what PIL's `Resize` gives, to within one level.
    """
    floats_BCHW = images_BCHW.float()
    if images_BCHW.shape[2:] == (image_size, image_size):
        return floats_BCHW
    shrinks = max(images_BCHW.shape[2:]) > image_size  # antialiasing changes nothing when enlarging, and costs
    resized_BCHW = functional.interpolate(
        floats_BCHW, size=(image_size, image_size), mode="bilinear", align_corners=False, antialias=shrinks
    )
    return resized_BCHW.round_().clamp_(0, 255)


class EvalBatches:
    """The images in their order, as they are; each call starts anew."""

    def __init__(self, images: Images, *, batch_size: int, image_size: int, mean_C: Tensor, std_C: Tensor) -> None:
        self._images = images
        self._batch_size = batch_size
        self._image_size = image_size
        self._scale_C11 = (1 / (255 * std_C)).view(-1, 1, 1)
        self._shift_C11 = (-mean_C / std_C).view(-1, 1, 1)

    def __call__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images_BCHW of float32, labels_B)."""
        for start in range(0, len(self._images), self._batch_size):
            rows = slice(start, start + self._batch_size)
            floats_BCHW = to_float(self._images.images_NCHW[rows], self._image_size)
            yield floats_BCHW * self._scale_C11 + self._shift_C11, self._images.labels_N[rows]


class TrainBatches:
    """The images in a new order each epoch, augmented; every image is shown once an epoch.

    All randomness of an epoch follows from (seed, epoch), so epochs can be repeated and a run continued. The last batch is
    smaller where the numbers do not divide; a single image left over joins the batch before, as BatchNorm needs two.
    """

    def __init__(
        self,
        images: Images,
        *,
        batch_size: int,
        image_size: int,
        mean_C: Tensor,
        std_C: Tensor,
        crop_padding: int,
        horizontal_flip: bool,
        cutout_size: int,
        seed: int,
    ) -> None:
        self._images = images
        self._image_size = image_size
        self._scale_C11 = (1 / (255 * std_C)).view(-1, 1, 1)
        self._shift_C11 = (-mean_C / std_C).view(-1, 1, 1)
        self._crop_padding = crop_padding
        self._horizontal_flip = horizontal_flip
        self._cutout_size = cutout_size
        self._seed = seed
        starts = list(range(0, len(images), batch_size))
        if len(starts) > 1 and len(images) - starts[-1] == 1:
            del starts[-1]
        self._bounds = [*starts, len(images)]

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return len(self._bounds) - 1

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images_BCHW of float32, labels_B) of the epoch with this index."""
        device = self._images.labels_N.device
        # The order is drawn on the CPU, so that it is the same on every device.
        order = Generator().manual_seed(_mix(self._seed, epoch, 0))
        order_N = torch.randperm(len(self._images), generator=order).to(device)
        generator = Generator(device=device).manual_seed(_mix(self._seed, epoch, 1))
        for start, stop in zip(self._bounds[:-1], self._bounds[1:], strict=True):
            chosen_B = order_N[start:stop]
            floats_BCHW = to_float(self._images.images_NCHW[chosen_B], self._image_size)
            yield self._augmented(floats_BCHW, generator), self._images.labels_N[chosen_B]

    def _augmented(self, floats_BCHW: Tensor, generator: Generator) -> Tensor:
        if self._crop_padding:
            floats_BCHW = augment.crop(floats_BCHW, self._crop_padding, generator)
        if self._horizontal_flip:
            floats_BCHW = augment.flip(floats_BCHW, generator)
        floats_BCHW = floats_BCHW * self._scale_C11 + self._shift_C11
        if self._cutout_size:
            floats_BCHW = augment.cutout(floats_BCHW, self._cutout_size, generator)
        return floats_BCHW


def _mix(seed: int, epoch: int, purpose: int) -> int:
    """Return a seed for one use in one epoch; the odd constants keep neighbours apart."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + purpose) % 2**63
