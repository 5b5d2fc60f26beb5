"""A network's outputs for an image and its mirror image, averaged (Krizhevsky et al., NeurIPS 2012, there after the softmax).

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import torch
from torch import Tensor, nn


class Mirrored(nn.Module):
    """A network whose logits are the mean of those of an image and of its mirror image, left and right exchanged.

    It shares the weights of the network, and begins in its mode, training or evaluation.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training  # by `train` the modes of frozen parts would change

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the mean logits_BK."""
        # The image itself comes last: Grad-CAM reads the last feature maps, in an exported graph too.
        mirrored_BK = self.network(torch.flip(images_BCHW, dims=(3,)))
        logits_BK: Tensor = (mirrored_BK + self.network(images_BCHW)) / 2
        return logits_BK
