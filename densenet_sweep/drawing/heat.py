"""Heat maps over pictures, drawn with Pillow, which takes a hundredth of Matplotlib's time.

Shape suffixes: C channels, H height, W width.
"""

import functools

import numpy as np
from PIL import Image

# The share of colour where the heat is 1; where it is 0 the picture stays as it is.
_STRENGTH = 0.65


def picture(levels_CHW: np.ndarray, side: int) -> Image.Image:
    """Return uint8 levels of one or three channels as a picture in colours, whose longer side is at least `side` pixels.

    Small pictures are enlarged by a whole number, so that their pixels can be told apart.
    """
    levels_HWC = np.repeat(levels_CHW, 3, axis=0) if len(levels_CHW) == 1 else levels_CHW
    image = Image.fromarray(np.ascontiguousarray(levels_HWC.transpose(1, 2, 0)))
    factor = -(-side // max(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def overlay(levels_CHW: np.ndarray, heat_HW: np.ndarray, side: int) -> Image.Image:
    """Return the same picture under a heat map of floats in [0, 1]."""
    image = picture(levels_CHW, side)
    heat = Image.fromarray(np.round(np.clip(heat_HW, 0, 1) * 255).astype(np.uint8))
    levels_HW = np.asarray(heat.resize(image.size, Image.Resampling.BILINEAR))
    shares_HW1 = _STRENGTH * levels_HW[:, :, None] / 255
    mixed_HWC = (1 - shares_HW1) * np.asarray(image) + shares_HW1 * _colours()[levels_HW]
    return Image.fromarray(mixed_HWC.round().astype(np.uint8))


@functools.cache
def _colours() -> np.ndarray:
    """Return red, green and blue of 256 levels of heat."""
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.arange(256))[:, :3]) * 255
