"""Random changes of a batch of images, computed for the whole batch at once on its device.

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from densenet_sweep.data import levels, mixing, warping
from densenet_sweep.data.draws import Draws
from densenet_sweep.data.trivial_augment import trivial_augment


@dataclass(frozen=True)
class Augmentation:
    """Which changes to draw, each for every image anew; the defaults switch them off.

    Attributes:
        crop_padding: pixels of black around an image, which is then cropped to its size at a random place.
        horizontal_flip: mirrors each image with probability one half in each epoch, or, if `"alternating"`, in every second
            epoch from a random first one, so that any two epochs in a row show both sides of an image (Jordan, "94% on
            CIFAR-10 in 3.29 seconds on a single GPU", 2024).
        cutout_size: side of a hole in pixels (DeVries and Taylor, 2017).
        vertical_flip: turns each image upside down with probability one half.
        crop_area: the least share of an image's area that a crop, resized to the whole, shows; 1: no crop.
        crop_aspect: the largest ratio of a crop's sides in relation to the image's.
        rotation: degrees, at most, to either side.
        translation: share of the image's sides, at most, in every direction.
        scaling: a factor between 1 - `scaling` and 1 + `scaling`.
        shear: degrees, at most, to either side.
        trivial_augment: share of the range of TrivialAugment's strengths; see `trivial_augment`.
        brightness, contrast, saturation: factors between 1 minus and 1 plus the number; see `levels`.
        hue: share of the circle of hues, at most, in either direction.
        erasing: probability of a rectangular hole (Zhong et al., AAAI 2020).
        erasing_area: the largest share of an image's area that the hole takes; the smallest is 0.02, or this one.
        mixup: alpha of the beta distribution of an image's share (Zhang et al., ICLR 2018).
        cutmix: the same, of the share that stays where a rectangle of another image is pasted (Yun et al., ICCV 2019).
            With both, each image is mixed in one of the two ways, with equal probability.
    """

    crop_padding: int = 0
    horizontal_flip: bool | str = False
    cutout_size: int = 0
    vertical_flip: bool = False
    crop_area: float = 1.0
    crop_aspect: float = 1.3333
    rotation: float = 0.0
    translation: float = 0.0
    scaling: float = 0.0
    shear: float = 0.0
    trivial_augment: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    erasing: float = 0.0
    erasing_area: float = 0.3333
    mixup: float = 0.0
    cutmix: float = 0.0

    def before_normalizing(self, floats_BCHW: Tensor, generator: Generator, turn_B: Tensor, draws: Draws) -> Tensor:
        """Return levels from 0 to 255, changed; what an image leaves free is black.

        Args:
            floats_BCHW: levels.
            generator: of crop and flip, on the device of the images.
            turn_B: which images the alternating flip mirrors.
            draws: of everything else.
        """
        if self.crop_padding:
            floats_BCHW = crop(floats_BCHW, self.crop_padding, generator)
        if self.horizontal_flip == "alternating":
            floats_BCHW = mirror(floats_BCHW, turn_B)
        elif self.horizontal_flip:
            floats_BCHW = flip(floats_BCHW, generator)
        return self._colours(self._geometry(floats_BCHW, draws), draws)

    def after_normalizing(self, floats_BCHW: Tensor, generator: Generator, draws: Draws) -> Tensor:
        """Return the images with their holes, filled with the mean, which is zero after normalising."""
        if self.cutout_size:
            floats_BCHW = cutout(floats_BCHW, self.cutout_size, generator)
        if self.erasing:
            hole_BHW = mixing.holes(floats_BCHW, self.erasing, self.erasing_area, draws)
            floats_BCHW = floats_BCHW.masked_fill(hole_BHW[:, None], 0.0)
        return floats_BCHW

    def mix(
        self, floats_BCHW: Tensor, labels: Tensor, draws: Draws, num_outputs: int, weights_B: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the images mixed in pairs and targets_BK, the share of each class; without mixing what was given.

        Where there are weights, they follow: a mixed image counts as its two images do in their shares.
        """
        if not self.mixup and not self.cutmix:
            return (floats_BCHW, labels) if weights_B is None else (floats_BCHW, labels, weights_B)
        targets_BK = mixing.targets(labels, num_outputs)
        if weights_B is None:
            return mixing.mixed(floats_BCHW, targets_BK, self.mixup, self.cutmix, draws)
        mixed_BCHW, weighted_BK = mixing.mixed(floats_BCHW, targets_BK * weights_B[:, None], self.mixup, self.cutmix, draws)
        return mixed_BCHW, *mixing.unweighted(weighted_BK)

    def _geometry(self, floats_BCHW: Tensor, draws: Draws) -> Tensor:
        size = len(floats_BCHW)
        if self.vertical_flip:
            floats_BCHW = torch.where((draws.uniform(size) < 0.5).view(-1, 1, 1, 1), floats_BCHW.flip(2), floats_BCHW)
        if self.crop_area < 1:
            floats_BCHW = warping.resized_crop(floats_BCHW, self.crop_area, self.crop_aspect, draws)
        if self.rotation or self.translation or self.scaling or self.shear:
            shifts = [draws.uniform(size, -self.translation, self.translation) for _ in range(2)]
            floats_BCHW = warping.affine(
                floats_BCHW,
                rotation_B=draws.uniform(size, -self.rotation, self.rotation),
                right_B=shifts[0],
                down_B=shifts[1],
                scale_B=draws.uniform(size, 1 - self.scaling, 1 + self.scaling),
                shear_B=draws.uniform(size, -self.shear, self.shear),
            )
        return trivial_augment(floats_BCHW, self.trivial_augment, draws) if self.trivial_augment else floats_BCHW

    def _colours(self, floats_BCHW: Tensor, draws: Draws) -> Tensor:
        size = len(floats_BCHW)
        for change, most in (
            (levels.brightness, self.brightness),
            (levels.contrast, self.contrast),
            (levels.saturation, self.saturation),
        ):
            if most:
                floats_BCHW = change(floats_BCHW, draws.uniform(size, max(0.0, 1 - most), 1 + most))
        return levels.hue(floats_BCHW, draws.uniform(size, -self.hue, self.hue)) if self.hue else floats_BCHW


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
