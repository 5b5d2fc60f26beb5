"""TrivialAugment: for each image one change, of a random strength.

Shape suffixes: B images in a batch, C channels, H height, W width.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from densenet_sweep.data import levels, warping
from densenet_sweep.data.draws import Draws

# Maps images and the strength of each, in [-1, 1], to the changed images.
Change = Callable[[Tensor, Tensor], Tensor]

# The widest ranges of the paper, as torchvision has them.
_MOST_FACTOR = 0.99  # of brightness, colour, contrast, sharpness, and the tangent of a shear
_MOST_DEGREES = 135.0
_MOST_PIXELS = 32
_MOST_OF_A_SIDE = 0.45  # the paper's 32 pixels would push all of a small image out
_BITS = (8, 2)


def trivial_augment(floats_BCHW: Tensor, strength: float, draws: Draws) -> Tensor:
    """Change each image in one of `CHANGES`, each with equal probability (Mueller and Hutter, ICCV 2021, "wide").

    Args:
        floats_BCHW: levels from 0 to 255.
        strength: share of the range from which an image's own strength is drawn, uniformly; the paper's is 1. Identity,
            autocontrast and equalize have none.
        draws: of the changes and strengths.
    """
    chosen = draws.choices(len(floats_BCHW), len(CHANGES))
    strength_B = draws.uniform(len(floats_BCHW), -strength, strength)
    changed_BCHW = floats_BCHW.clone()
    for index, change in enumerate(CHANGES.values()):
        # Known on the CPU, so that a GPU is not waited for.
        rows = torch.from_numpy((chosen == index).nonzero()[0]).to(floats_BCHW.device, non_blocking=True)
        if len(rows):
            changed_BCHW[rows] = change(floats_BCHW[rows], strength_B[rows])
    return changed_BCHW


def _sheared(floats_BCHW: Tensor, strength_B: Tensor) -> Tensor:
    return warping.affine(floats_BCHW, shear_B=_degrees(strength_B))


def _sheared_down(floats_BCHW: Tensor, strength_B: Tensor) -> Tensor:
    return warping.affine(floats_BCHW, shear_down_B=_degrees(strength_B))


def _degrees(strength_B: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan(strength_B * _MOST_FACTOR))


def _shifted(floats_BCHW: Tensor, strength_B: Tensor) -> Tensor:
    return warping.affine(floats_BCHW, right_B=strength_B * min(_MOST_OF_A_SIDE, _MOST_PIXELS / floats_BCHW.shape[3]))


def _shifted_down(floats_BCHW: Tensor, strength_B: Tensor) -> Tensor:
    return warping.affine(floats_BCHW, down_B=strength_B * min(_MOST_OF_A_SIDE, _MOST_PIXELS / floats_BCHW.shape[2]))


def _by_factor(change: Change) -> Change:
    return lambda floats_BCHW, strength_B: change(floats_BCHW, 1 + strength_B * _MOST_FACTOR)


def _posterized(floats_BCHW: Tensor, strength_B: Tensor) -> Tensor:
    return levels.posterize(floats_BCHW, torch.round(_BITS[0] + strength_B.abs() * (_BITS[1] - _BITS[0])))


CHANGES: dict[str, Change] = {
    "identity": lambda floats_BCHW, strength_B: floats_BCHW,  # noqa: ARG005
    "shear_x": _sheared,
    "shear_y": _sheared_down,
    "translate_x": _shifted,
    "translate_y": _shifted_down,
    "rotate": lambda floats_BCHW, strength_B: warping.affine(floats_BCHW, rotation_B=strength_B * _MOST_DEGREES),
    "brightness": _by_factor(levels.brightness),
    "color": _by_factor(levels.saturation),
    "contrast": _by_factor(levels.contrast),
    "sharpness": _by_factor(levels.sharpness),
    "posterize": _posterized,
    "solarize": lambda floats_BCHW, strength_B: levels.solarize(floats_BCHW, 256.0 * (1 - strength_B.abs())),
    "autocontrast": lambda floats_BCHW, strength_B: levels.autocontrast(floats_BCHW),  # noqa: ARG005
    "equalize": lambda floats_BCHW, strength_B: levels.equalize(floats_BCHW),  # noqa: ARG005
}
