"""Changes of the geometry of images, another one for each image of a batch.

Shape suffixes: B images in a batch, C channels, H height, W width.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from densenet_sweep.data.draws import Draws


def affine(
    images_BCHW: Tensor,
    *,
    rotation_B: Tensor | None = None,
    right_B: Tensor | None = None,
    down_B: Tensor | None = None,
    scale_B: Tensor | None = None,
    shear_B: Tensor | None = None,
    shear_down_B: Tensor | None = None,
) -> Tensor:
    """Scale, shear, rotate and then shift each image, about its centre; bilinear, and black beside the image.

    Args:
        images_BCHW: levels, black being zero.
        rotation_B: degrees, clockwise as in torchvision.
        right_B: share of the width.
        down_B: share of the height.
        scale_B: factor of the sides.
        shear_B: degrees by which columns lean, to the right; the tangent times its height above the centre shifts a row.
        shear_down_B: degrees by which rows lean, downwards at the left; without `shear_B`.
    """
    zeros_B = images_BCHW.new_zeros(len(images_BCHW))
    angle_B = torch.deg2rad(zeros_B if rotation_B is None else rotation_B)
    across_B = torch.tan(torch.deg2rad(zeros_B if shear_B is None else shear_B))
    down_tangent_B = torch.tan(torch.deg2rad(zeros_B if shear_down_B is None else shear_down_B))
    scale_B = zeros_B + 1 if scale_B is None else scale_B
    cosine_B, sine_B = torch.cos(angle_B) / scale_B, torch.sin(angle_B) / scale_B
    # Where an output pixel comes from: first against the rotation, then against the shear.
    height, width = images_BCHW.shape[2:]
    along_x_B = torch.stack([cosine_B - across_B * sine_B, (sine_B + across_B * cosine_B) * (height / width)], dim=1)
    along_y_B = torch.stack(
        [(down_tangent_B * cosine_B - sine_B) * (width / height), cosine_B + down_tangent_B * sine_B], dim=1
    )
    linear_B22 = torch.stack([along_x_B, along_y_B], dim=1)
    shift_B2 = 2 * torch.stack([zeros_B if right_B is None else right_B, zeros_B if down_B is None else down_B], dim=1)
    return _sampled(images_BCHW, torch.cat([linear_B22, -linear_B22 @ shift_B2[:, :, None]], dim=2), "zeros")


def resized_crop(images_BCHW: Tensor, area: float, aspect: float, draws: Draws) -> Tensor:
    """Resize a random rectangle of each image to the whole (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015).

    Its share of the image's area is between `area` and 1, and the logarithm of the ratio of its sides, in relation to the
    image's, between that of 1 / `aspect` and of `aspect`; both are uniform. Sides longer than the image's are cut to these.
    """
    size = len(images_BCHW)
    area_B = draws.uniform(size, area, 1.0)
    ratio_B = torch.exp(draws.uniform(size, -math.log(aspect), math.log(aspect)))
    width_B, height_B = (area_B * ratio_B).sqrt().clamp(max=1.0), (area_B / ratio_B).sqrt().clamp(max=1.0)
    right_B, down_B = ((1 - side_B) * draws.uniform(size, -1.0, 1.0) for side_B in (width_B, height_B))
    zeros_B = torch.zeros_like(area_B)
    theta = torch.stack([width_B, zeros_B, right_B, zeros_B, height_B, down_B], dim=1).view(-1, 2, 3)
    return _sampled(images_BCHW, theta, "border")


def _sampled(images_BCHW: Tensor, theta_B23: Tensor, beside: str) -> Tensor:
    """Return what stands at the places that `theta_B23` gives for each pixel, in halves of the sides from the centre."""
    size, _, height, width = images_BCHW.shape
    grid_BHW2 = functional.affine_grid(theta_B23, [size, 1, height, width], align_corners=False)
    return functional.grid_sample(images_BCHW, grid_BHW2, mode="bilinear", padding_mode=beside, align_corners=False)
