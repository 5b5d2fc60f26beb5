"""Grad-CAM: which parts of an image speak for a class (Selvaraju et al., ICCV 2017).

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def grad_cam(network: nn.Module, images_BCHW: Tensor, classes_B: Tensor) -> Tensor:
    """Return heat_BHW of the images: what speaks for a class, from 0 to the image's largest, 1; all 0 where nothing does.

    It is computed from the last feature maps of more than one pixel: the output of the last module that gives such maps. In our
    networks and torchvision's, which end in a ReLU, a global average and one linear layer, it is the class activation map.

    Args:
        network: maps images_BCHW to logits_BK; in evaluation mode here, its mode is restored.
        images_BCHW: floats, as the network takes them.
        classes_B: the class of each image that is explained.

    Raises:
        ValueError: the network has no such feature maps.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if has_places(output):
            kept[:] = [output]

    was_training = network.training
    hooks = [module.register_forward_hook(keep) for module in network.modules() if module is not network]
    try:
        network.eval()
        with torch.enable_grad():
            # Where all weights are frozen, nothing else makes autograd record the maps.
            logits_BK = network(images_BCHW.detach().clone().requires_grad_())
            return heat(kept, logits_BK, classes_B, images_BCHW.shape[2:])
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)


def has_places(output: Any) -> bool:
    """Return whether `output` is float maps_BCHW of more than one pixel."""
    return isinstance(output, Tensor) and output.is_floating_point() and output.ndim == 4 and output.shape[2:].numel() > 1


def heat(maps: list[Tensor], logits_BK: Tensor, classes_B: Tensor, size: torch.Size) -> Tensor:
    """Return heat_BHW of `size` from the last of `maps` (BCHW), by equations 1 and 2 of the paper.

    A ReLU that works in place after the module has changed its output, which is the maps that the head then reads.

    Raises:
        ValueError: there are no maps.
    """
    if not maps:
        raise ValueError("Grad-CAM: this network has no feature maps of more than one pixel")
    maps_BCHW = maps[-1]
    [gradients_BCHW] = torch.autograd.grad(logits_BK.gather(1, classes_B[:, None]).sum(), maps_BCHW)
    weights_BC11 = gradients_BCHW.mean(dim=(2, 3), keepdim=True)
    heat_B1HW = functional.relu((weights_BC11 * maps_BCHW.detach()).sum(dim=1, keepdim=True))
    heat_BHW = functional.interpolate(heat_B1HW.float(), tuple(size), mode="bilinear", align_corners=False)[:, 0]
    return heat_BHW / heat_BHW.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
