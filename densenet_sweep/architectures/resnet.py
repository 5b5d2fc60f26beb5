"""torchvision's ResNet-18, as a baseline for DenseNet."""

from torch import nn
from torchvision.models import ResNet
from torchvision.models import resnet18 as torchvision_resnet18

from densenet_sweep.architectures import geometry
from densenet_sweep.architectures.initialization import initialize


def resnet18(*, in_channels: int, num_classes: int, stem: str = "small", initialization: str = "torch") -> ResNet:
    """Return torchvision's ResNet-18 (He et al., CVPR 2016), mapping images_BCHW to logits_BK.

    Args:
        in_channels: of the images.
        num_classes: number of logits.
        stem: `imagenet` as torchvision has it, or `small`: a 3x3 convolution of stride 1 and no max pool.
        initialization: see `initialize`; `torch` keeps torchvision's own, which is He's.

    Raises:
        ValueError: an unknown name.
    """
    if stem not in geometry.STEMS:
        raise ValueError(f"architecture.stem={stem}: one of {', '.join(geometry.STEMS)} is accepted")
    network = torchvision_resnet18(num_classes=num_classes)
    if stem == "small":
        network.conv1 = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif in_channels != 3:
        network.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    if stem == "small" or in_channels != 3:
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    initialize(network, initialization)
    return network
