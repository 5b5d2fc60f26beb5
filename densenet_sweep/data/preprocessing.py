"""From uint8 images of any size to normalised floats of one size, for a whole batch at once, on the images' device.

Shape suffixes: B images in a batch, C channels, H height, W width, V the 256 levels of a pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from densenet_sweep.data.images import Images
from densenet_sweep.picture_size import sides

_NUM_LEVELS = 256


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Preprocessing for training and evaluation: resize, then normalise each channel.

    `image_size` is the side of squares, or height and width, in pixels.
    """

    image_size: int | Sequence[int]
    mean_C: Tensor
    std_C: Tensor

    def resize(self, images_BCHW: Tensor) -> Tensor:
        """Return uint8 images as floats of the levels 0 to 255, at `image_size`.

        Bilinear with antialiasing, rounded to whole levels; equals PIL's `Resize` to within one level.
        """
        height, width = sides(self.image_size)
        if images_BCHW.shape[2:] == (height, width):
            return images_BCHW.float()
        shrinks = (
            images_BCHW.shape[2] > height or images_BCHW.shape[3] > width
        )  # antialiasing changes nothing when enlarging, and costs
        return self._resized(images_BCHW, antialias=shrinks)

    def resize_any(self, images_BCHW: Tensor) -> Tensor:
        """Return the same by one code path for all sizes, as a traced graph needs.

        It equals `resize`, except that some values halfway between two levels, which occur where images are enlarged, are
        rounded the other way.
        """
        return self._resized(images_BCHW, antialias=True)

    def _resized(self, images_BCHW: Tensor, *, antialias: bool) -> Tensor:
        resized_BCHW = functional.interpolate(
            images_BCHW.float(), sides(self.image_size), mode="bilinear", align_corners=False, antialias=antialias
        )
        return resized_BCHW.round_().clamp_(0, _NUM_LEVELS - 1)

    def normalize(self, floats_BCHW: Tensor) -> Tensor:
        """Return levels of 0 to 255 as multiples of each channel's deviation from its mean."""
        scale_C11 = (1 / ((_NUM_LEVELS - 1) * self.std_C)).view(-1, 1, 1)
        shift_C11 = (-self.mean_C / self.std_C).view(-1, 1, 1)
        return floats_BCHW * scale_C11 + shift_C11


def channel_statistics(images: Images, *, normalize: bool) -> tuple[Tensor, Tensor]:
    """Return mean_C and std_C of the pixels, scaled to [0, 1]; 0 and 1 without `normalize`.

    Call it with the training split only: the statistics are learned from the data like any parameter.
    """
    channels, device = images.shape[1], images.labels_N.device
    if not normalize:
        return torch.zeros(channels, device=device), torch.ones(channels, device=device)
    counts_CV = torch.zeros(channels, _NUM_LEVELS, dtype=torch.int64, device=device)
    for block_BCHW in images.blocks():
        for index in range(channels):
            counts_CV[index] += torch.bincount(block_BCHW[:, index].flatten(), minlength=_NUM_LEVELS)
    counts_CV = counts_CV.cpu()  # so that the statistics do not depend on where the images are
    levels_V = torch.arange(_NUM_LEVELS, dtype=torch.float64) / (_NUM_LEVELS - 1)
    shares_CV = counts_CV.double() / counts_CV.sum(dim=1, keepdim=True)
    mean_C = shares_CV @ levels_V
    variance_C = (shares_CV * (levels_V - mean_C[:, None]) ** 2).sum(dim=1)
    # A constant channel has no deviation; it is centred and not scaled.
    std_C = torch.where(variance_C > 0, variance_C.sqrt(), 1.0)
    return mean_C.float().to(device), std_C.float().to(device)
