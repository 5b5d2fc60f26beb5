"""Random changes of a batch of images, computed for the whole batch at once on its device.

Shape suffixes: B images in a batch, C channels, H height, W width.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """Which changes to draw, in pixels; 0 and False switch one off.

    `horizontal_flip` mirrors each image with probability one half in each epoch, or, if `"alternating"`, in every second epoch
    from a random first one, so that any two epochs in a row show both sides of an image (Jordan, "94% on CIFAR-10 in 3.29
    seconds on a single GPU", 2024).
    """

    crop_padding: int = 0
    horizontal_flip: bool | str = False
    cutout_size: int = 0

    def before_normalizing(self, floats_BCHW: Tensor, generator: Generator, turn_B: Tensor) -> Tensor:
        """Return the images shifted (padded with black) and mirrored; the alternating flip mirrors those marked in `turn_B`."""
        if self.crop_padding:
            floats_BCHW = crop(floats_BCHW, self.crop_padding, generator)
        if self.horizontal_flip == "alternating":
            return mirror(floats_BCHW, turn_B)
        return flip(floats_BCHW, generator) if self.horizontal_flip else floats_BCHW

    def after_normalizing(self, floats_BCHW: Tensor, generator: Generator) -> Tensor:
        """Return the images with one hole each, filled with the mean, which is zero after normalising."""
        return cutout(floats_BCHW, self.cutout_size, generator) if self.cutout_size else floats_BCHW


def crop(images_BCHW: Tensor, padding: int, generator: Generator) -> Tensor:
    """Pad with zeros by `padding` pixels and crop each image to its original size at a random place of its own."""
    size, (height, width) = len(images_BCHW), images_BCHW.shape[2:]
    padded_BCHW = functional.pad(images_BCHW, (padding,) * 4)
    offsets_2B = torch.randint(0, 2 * padding + 1, (2, size), generator=generator, device=images_BCHW.device)
    windows = padded_BCHW.unfold(2, height, 1).unfold(3, width, 1)  # (B, C, 2 padding + 1, 2 padding + 1, H, W), a view
    rows_B, columns_B = offsets_2B
    return windows[torch.arange(size, device=images_BCHW.device), :, rows_B, columns_B]


def flip(images_BCHW: Tensor, generator: Generator) -> Tensor:
    """Mirror each image left to right with probability one half."""
    mirrored_B = torch.rand(len(images_BCHW), generator=generator, device=images_BCHW.device) < 0.5
    return mirror(images_BCHW, mirrored_B)


def mirror(images_BCHW: Tensor, mirrored_B: Tensor) -> Tensor:
    """Mirror the images marked in `mirrored_B` left to right."""
    return torch.where(mirrored_B.view(-1, 1, 1, 1), images_BCHW.flip(3), images_BCHW)


def cutout(images_BCHW: Tensor, size: int, generator: Generator) -> Tensor:
    """Set a square of `size` pixels to zero around a random pixel of each image (DeVries and Taylor, 2017).

    The square may reach over the border; after normalising, zero is the mean.
    """
    height, width = images_BCHW.shape[2:]
    device = images_BCHW.device
    start_B = -(size // 2)
    rows_B = torch.randint(0, height, (len(images_BCHW), 1), generator=generator, device=device) + start_B
    columns_B = torch.randint(0, width, (len(images_BCHW), 1), generator=generator, device=device) + start_B
    in_rows_BH = _within(torch.arange(height, device=device), rows_B, size)
    in_columns_BW = _within(torch.arange(width, device=device), columns_B, size)
    hole_BHW = in_rows_BH[:, :, None] & in_columns_BW[:, None, :]
    return images_BCHW.masked_fill(hole_BHW[:, None], 0.0)


def _within(positions: Tensor, start_B: Tensor, size: int) -> Tensor:
    return (positions >= start_B) & (positions < start_B + size)
