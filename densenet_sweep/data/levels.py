"""Changes of the levels of images, from 0 to 255, another one for each image of a batch; as torchvision defines them.

Shape suffixes: B images in a batch, C channels (3: red, green, blue), H height, W width, V the 256 levels.
"""

import torch
from torch import Tensor
from torch.nn import functional

_NUM_LEVELS = 256
_WHITE = 255.0
_LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601


def brightness(floats_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Multiply each image's levels by its factor."""
    return _blended(floats_BCHW, torch.zeros_like(floats_BCHW[:, :1, :1, :1]), factor_B)


def contrast(floats_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Multiply each image's differences from its mean grey by its factor."""
    return _blended(floats_BCHW, _grey(floats_BCHW).mean(dim=(1, 2, 3), keepdim=True), factor_B)


def saturation(floats_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Multiply each image's differences from its grey by its factor; grey images stay as they are."""
    return _blended(floats_BCHW, _grey(floats_BCHW), factor_B) if floats_BCHW.shape[1] == len(_LUMA) else floats_BCHW


def hue(floats_BCHW: Tensor, turn_B: Tensor) -> Tensor:
    """Turn each colour image's hues by its share of the circle."""
    highest_BHW, lowest_BHW = floats_BCHW.amax(dim=1), floats_BCHW.amin(dim=1)
    range_BHW = highest_BHW - lowest_BHW
    red_BHW, green_BHW, blue_BHW = (floats_BCHW / range_BHW.clamp(min=1e-6)[:, None]).unbind(1)
    sixth_BHW = torch.where(
        floats_BCHW[:, 0] == highest_BHW,
        green_BHW - blue_BHW,
        torch.where(floats_BCHW[:, 1] == highest_BHW, blue_BHW - red_BHW + 2, red_BHW - green_BHW + 4),
    )
    turned_BHW = sixth_BHW + 6 * turn_B.view(-1, 1, 1)
    place_BCHW = torch.stack([turned_BHW + 5, turned_BHW + 3, turned_BHW + 1], dim=1) % 6  # of red, green and blue
    return highest_BHW[:, None] - range_BHW[:, None] * torch.minimum(place_BCHW, 4 - place_BCHW).clamp(0.0, 1.0)


def sharpness(floats_BCHW: Tensor, factor_B: Tensor) -> Tensor:
    """Multiply each image's differences from a smoothed one by its factor; the outermost pixels stay as they are."""
    channels, height, width = floats_BCHW.shape[1:]
    if min(height, width) < 3:
        return floats_BCHW
    kernel = floats_BCHW.new_full((channels, 1, 3, 3), 1 / 13)
    kernel[:, :, 1, 1] = 5 / 13
    smooth_BCHW = floats_BCHW.clone()
    smooth_BCHW[:, :, 1:-1, 1:-1] = functional.conv2d(floats_BCHW, kernel, groups=channels)
    return _blended(floats_BCHW, smooth_BCHW, factor_B)


def posterize(floats_BCHW: Tensor, bits_B: Tensor) -> Tensor:
    """Keep each image's highest `bits_B` bits of 8."""
    step_B111 = torch.exp2(8 - bits_B).view(-1, 1, 1, 1)
    return torch.floor(floats_BCHW / step_B111) * step_B111


def solarize(floats_BCHW: Tensor, threshold_B: Tensor) -> Tensor:
    """Invert levels from each image's threshold upwards."""
    return torch.where(floats_BCHW >= threshold_B.view(-1, 1, 1, 1), _WHITE - floats_BCHW, floats_BCHW)


def autocontrast(floats_BCHW: Tensor) -> Tensor:
    """Stretch each channel to all levels; one of a single level stays as it is."""
    lowest, highest = floats_BCHW.amin(dim=(2, 3), keepdim=True), floats_BCHW.amax(dim=(2, 3), keepdim=True)
    stretched_BCHW = (floats_BCHW - lowest) * (_WHITE / (highest - lowest).clamp(min=1e-6))
    return torch.where(highest > lowest, stretched_BCHW, floats_BCHW)


def equalize(floats_BCHW: Tensor) -> Tensor:
    """Spread the levels of each channel evenly, by Pillow's formula; a channel of few levels may stay as it is."""
    levels = floats_BCHW.round().long().clamp(0, _NUM_LEVELS - 1).flatten(2)
    counts_BCV = torch.zeros(*levels.shape[:2], _NUM_LEVELS, dtype=torch.int64, device=levels.device)
    counts_BCV.scatter_add_(2, levels, torch.ones_like(levels))
    upto_BCV = counts_BCV.cumsum(2)
    of_highest = counts_BCV.gather(2, upto_BCV.argmax(dim=2, keepdim=True))
    step = (levels.shape[2] - of_highest) // (_NUM_LEVELS - 1)
    table_BCV = ((upto_BCV - counts_BCV + step // 2) // step.clamp(min=1)).clamp(0, _NUM_LEVELS - 1)
    equalized_BCHW = table_BCV.gather(2, levels).view_as(floats_BCHW).to(floats_BCHW.dtype)
    return torch.where(step[..., None] > 0, equalized_BCHW, floats_BCHW)


def _grey(floats_BCHW: Tensor) -> Tensor:
    if floats_BCHW.shape[1] != len(_LUMA):
        return floats_BCHW.mean(dim=1, keepdim=True)
    return _LUMA[0] * floats_BCHW[:, :1] + _LUMA[1] * floats_BCHW[:, 1:2] + _LUMA[2] * floats_BCHW[:, 2:]


def _blended(floats_BCHW: Tensor, others: Tensor, factor_B: Tensor) -> Tensor:
    """Return `others` plus each image's difference from them times its factor, within the levels."""
    return torch.lerp(others, floats_BCHW, factor_B.view(-1, 1, 1, 1)).clamp(0.0, _WHITE)
