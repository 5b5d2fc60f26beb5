"""Rectangles in images, and images mixed in pairs, with targets that say how much of each class is there.

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from densenet_sweep.data.draws import Draws

# Of random erasing.
_LEAST_AREA = 0.02
_MOST_ASPECT = 3.3


def holes(images_BCHW: Tensor, probability: float, most_area: float, draws: Draws) -> Tensor:
    """Return which pixels of each image a rectangle covers, in hole_BHW; some images have none.

    Its share of the area is uniform, as is the logarithm of the ratio of its sides, between that of 1 / 3.3 and of 3.3. Sides
    longer than the image's are cut to these.
    """
    size, (height, width) = len(images_BCHW), images_BCHW.shape[2:]
    area_B = height * width * draws.uniform(size, min(_LEAST_AREA, most_area), most_area)
    ratio_B = torch.exp(draws.uniform(size, -math.log(_MOST_ASPECT), math.log(_MOST_ASPECT)))
    height_B, width_B = (area_B * ratio_B).sqrt().round().clamp(max=height), (area_B / ratio_B).sqrt().round().clamp(max=width)
    # Every place inside the image is as likely.
    top_B, left_B = (
        torch.floor((side - side_B + 1) * draws.uniform(size)).clamp(max=side - side_B)
        for side, side_B in ((height, height_B), (width, width_B))
    )
    is_erased_B = draws.uniform(size) < probability
    return _rectangle(images_BCHW, top_B, left_B, height_B, width_B) & is_erased_B[:, None, None]


def targets(labels: Tensor, num_outputs: int) -> Tensor:
    """Return labels_B as targets_BK of 0 and 1; targets_BK remain what they are, as floats."""
    return (functional.one_hot(labels, num_outputs) if labels.ndim == 1 else labels).float()


def mixed(images_BCHW: Tensor, targets_BK: Tensor, mixup: float, cutmix: float, draws: Draws) -> tuple[Tensor, Tensor]:
    """Mix each image with the one before it in the batch, whose order is random, and its targets in the same proportion.

    Args:
        images_BCHW: normalised.
        targets_BK: the share of each class.
        mixup: alpha of the beta distribution of an image's share in the weighted mean of the two; 0: not in this way.
        cutmix: alpha of the same share of pixels where a rectangle of the other is pasted; 0: not in this way.
        draws: of the shares, the rectangles and, for each image, the way.
    """
    size = len(images_BCHW)
    others_BCHW = images_BCHW.roll(1, 0)
    share_B = torch.ones(size, device=images_BCHW.device)
    mixed_BCHW = images_BCHW
    pasted_B = draws.uniform(size) < (0.5 if mixup and cutmix else float(cutmix > 0))
    if mixup:
        share_B = torch.where(pasted_B, share_B, draws.beta(size, mixup))
        mixed_BCHW = torch.lerp(others_BCHW, images_BCHW, share_B.view(-1, 1, 1, 1))
    if cutmix:
        patch_BHW = _patches(images_BCHW, draws.beta(size, cutmix), draws) & pasted_B[:, None, None]
        share_B = share_B - patch_BHW.float().mean(dim=(1, 2))
        mixed_BCHW = torch.where(patch_BHW[:, None], others_BCHW, mixed_BCHW)
    return mixed_BCHW, torch.lerp(targets_BK.roll(1, 0), targets_BK, share_B[:, None])


def unweighted(weighted_BK: Tensor) -> tuple[Tensor, Tensor]:
    """Return targets_BK whose shares add up to 1, and the sums of the weighted ones as weights_B.

    A loss that is linear in the shares, times the weight, is then the sum of the two images' losses by share and weight. Of two
    images of weight 0 the shares do not matter.
    """
    weights_B = weighted_BK.sum(dim=1)
    is_nothing_B1 = (weights_B == 0)[:, None]
    shares_BK = weighted_BK / weights_B[:, None].masked_fill(is_nothing_B1, 1.0)
    return shares_BK.masked_fill(is_nothing_B1, 1 / weighted_BK.shape[1]), weights_B


def _patches(images_BCHW: Tensor, share_B: Tensor, draws: Draws) -> Tensor:
    """Return patch_BHW, rectangles in the images' proportions, each cut at the border that it reaches over."""
    height, width = images_BCHW.shape[2:]
    sides = [torch.floor(side * (1 - share_B).sqrt()) for side in (height, width)]
    starts = [
        torch.floor(side * draws.uniform(len(images_BCHW))) - torch.floor(side_B / 2)
        for side, side_B in zip((height, width), sides, strict=True)
    ]
    return _rectangle(images_BCHW, *starts, *sides)


def _rectangle(images_BCHW: Tensor, top_B: Tensor, left_B: Tensor, height_B: Tensor, width_B: Tensor) -> Tensor:
    """Return which pixels are inside, in inside_BHW."""
    height, width = images_BCHW.shape[2:]
    rows_H, columns_W = (torch.arange(side, device=images_BCHW.device) for side in (height, width))
    in_rows_BH = (rows_H >= top_B[:, None]) & (rows_H < (top_B + height_B)[:, None])
    in_columns_BW = (columns_W >= left_B[:, None]) & (columns_W < (left_B + width_B)[:, None])
    return in_rows_BH[:, :, None] & in_columns_BW[:, None, :]
