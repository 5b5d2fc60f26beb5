"""The ResNets for small images (He et al., "Deep Residual Learning", CVPR 2016, section 4.2), to compare DenseNets with.

Modules are named as torchvision names those of its ResNets.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from densenet_sweep.architectures import geometry
from densenet_sweep.architectures.initialization import initialize


class PaddedShortcut(nn.Module):
    """Option A: every second row and column, and zeros for the maps that are missing; it has no weights."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.num_missing = out_channels - in_channels
        self.stride = stride

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """Return (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        thinned_BCHW = maps_BCHW[:, :, :: self.stride, :: self.stride]
        return functional.pad(thinned_BCHW, (0, 0, 0, 0, 0, self.num_missing))


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (B, in_channels, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride)).

    Each convolution is followed by its BatchNorm, and the sum by a ReLU. With `pre_activation`, BatchNorm and ReLU stand before
    each convolution instead (He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016, figure 1). The shortcut of a
    block that changes the shape, and of the network's first, then reads what they give, as in the authors' code.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, shortcut: str, pre_activation: bool, is_first: bool
    ) -> None:
        super().__init__()
        self.pre_activation = pre_activation
        is_reshaping = stride != 1 or in_channels != out_channels
        self.is_activation_shared = pre_activation and (is_reshaping or is_first)
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels if pre_activation else out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(shortcut, in_channels, out_channels, stride, has_norm=not pre_activation)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """Return the sum of the shortcut and the convolutions' maps, after a ReLU unless that comes before."""
        if self.pre_activation:
            active_BCHW = functional.relu(self.bn1(maps_BCHW), inplace=True)
            residual_BCHW = self.conv2(functional.relu(self.bn2(self.conv1(active_BCHW)), inplace=True))
            kept_BCHW = self.downsample(active_BCHW if self.is_activation_shared else maps_BCHW)
            return torch.add(kept_BCHW, residual_BCHW)
        active_BCHW = functional.relu(self.bn1(self.conv1(maps_BCHW)), inplace=True)
        residual_BCHW = self.bn2(self.conv2(active_BCHW))
        return functional.relu(self.downsample(maps_BCHW) + residual_BCHW, inplace=True)


class CifarResNet(nn.Module):
    """A 3x3 convolution, three stages of blocks with `width`, 2 `width` and 4 `width` maps, average pool, linear classifier.

    Build it with `resnet`, which documents the arguments.
    """

    def __init__(
        self, *, in_channels: int, num_classes: int, num_blocks: int, width: int, shortcut: str, pre_activation: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
        self.pre_activation = pre_activation
        if not pre_activation:
            self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for stage in range(geometry.NUM_SMALL_IMAGE_BLOCKS):
            blocks = nn.Sequential()
            for index in range(num_blocks):
                block = Block(
                    channels,
                    width * 2**stage,
                    stride=2 if stage and not index else 1,
                    shortcut=shortcut,
                    pre_activation=pre_activation,
                    is_first=not stage and not index,
                )
                blocks.append(block)
                channels = width * 2**stage
            self.add_module(f"layer{stage + 1}", blocks)
        if pre_activation:
            self.bn2 = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        maps_BCHW = self.conv1(images_BCHW)
        if not self.pre_activation:
            maps_BCHW = functional.relu(self.bn1(maps_BCHW), inplace=True)
        for stage in range(geometry.NUM_SMALL_IMAGE_BLOCKS):
            maps_BCHW = self.get_submodule(f"layer{stage + 1}")(maps_BCHW)
        if self.pre_activation:
            maps_BCHW = functional.relu(self.bn2(maps_BCHW), inplace=True)
        logits_BK: Tensor = self.fc(maps_BCHW.mean(dim=(2, 3)))
        return logits_BK


def resnet(
    *,
    in_channels: int,
    num_classes: int,
    depth: int,
    width: int = 16,
    shortcut: str = "A",
    pre_activation: bool = False,
    initialization: str = "he",
) -> CifarResNet:
    """Return a ResNet for small images with freshly drawn weights.

    Args:
        in_channels: of the images.
        num_classes: number of logits.
        depth: 6n + 2 for three stages of n blocks (20, 32, 44, 56 and 110 in the paper, table 6).
        width: maps of the first stage (16 in the paper); each later stage has twice those of the one before.
        shortcut: where a block changes the shape, `A` pads with zeros (the paper's), `B` has a 1x1 convolution.
        pre_activation: BatchNorm and ReLU before each convolution, see `Block`.
        initialization: see `initialize`.

    Raises:
        ValueError: an impossible depth or an unknown name.
    """
    if shortcut not in geometry.SHORTCUTS:
        raise ValueError(f"architecture.shortcut={shortcut}: one of {', '.join(geometry.SHORTCUTS)} is accepted")
    network = CifarResNet(
        in_channels=in_channels,
        num_classes=num_classes,
        num_blocks=geometry.blocks_of_a_stage(depth),
        width=width,
        shortcut=shortcut,
        pre_activation=pre_activation,
    )
    initialize(network, initialization)
    return network


def _shortcut(option: str, in_channels: int, out_channels: int, stride: int, *, has_norm: bool) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if option == "A":
        return PaddedShortcut(in_channels, out_channels, stride)
    projection = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
    return nn.Sequential(projection, nn.BatchNorm2d(out_channels)) if has_norm else projection
