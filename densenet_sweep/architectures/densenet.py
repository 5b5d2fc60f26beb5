"""DenseNet: one implementation of the seed's net, the paper's plain and BC families, and the ImageNet nets.

Modules are named as torchvision names them, so that torchvision's weights load with `strict=True`.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

from collections.abc import Collection, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from densenet_sweep.architectures import geometry
from densenet_sweep.architectures.initialization import initialize
from densenet_sweep.architectures.recomputation import Stage, recomputing


class DenseLayer(nn.Module):
    """BN-ReLU-3x3 convolution, with a BN-ReLU-1x1 bottleneck before it where `bn_size` is given.

    Maps the concatenation of all earlier feature maps of the block to `growth_rate` new ones of the same size.
    Source: Huang et al., CVPR 2017, section 3, "Composite function" and "Bottleneck layers".
    """

    def __init__(self, in_channels: int, *, growth_rate: int, bn_size: int | None, drop_rate: float, conv_bias: bool) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        if bn_size is None:
            self.conv1 = nn.Conv2d(in_channels, growth_rate, kernel_size=3, padding=1, bias=conv_bias)
            return
        width = bn_size * growth_rate
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=conv_bias)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, kernel_size=3, padding=1, bias=conv_bias)

    def stages(self) -> list[Stage]:
        """Return the layer's one or two compositions of BN, ReLU and convolution, in order; dropout follows each."""
        stages = [(self.norm1, self.relu1, self.conv1)]
        if hasattr(self, "conv2"):
            stages.append((self.norm2, self.relu2, self.conv2))
        return stages

    def dropout(self, maps_BCHW: Tensor) -> Tensor:
        """Return the maps with some set to zero, in training."""
        return _dropout(maps_BCHW, self.drop_rate, training=self.training)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        """Return (B, growth_rate, H, W) for the block's input and the outputs of its earlier layers, concatenated."""
        for norm, relu, convolution in self.stages():
            maps_BCHW = self.dropout(convolution(relu(norm(maps_BCHW))))
        return maps_BCHW


class DenseBlock(nn.ModuleDict):
    """`num_layers` dense layers, each reading the outputs of all before it: C channels in, C + num_layers * k out.

    Each layer appends its maps by one concatenation, so that autograd sums the gradients of all maps in one wide tensor. With a
    list of maps, autograd would compute one narrow strided sum for each pair of layers.

    With `memory_efficient`, the backward pass recomputes a layer's concatenation and normalised maps instead of keeping them
    (Pleiss et al., 2017, "Memory-Efficient Implementation of DenseNets"). Outputs, gradients and BatchNorm statistics
    are those of the plain path to the bit.
    """

    def __init__(
        self,
        num_layers: int,
        in_channels: int,
        growth_rate: int,
        *,
        bn_size: int | None = None,
        drop_rate: float = 0.0,
        conv_bias: bool = False,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.memory_efficient = memory_efficient
        for index in range(num_layers):
            self[f"denselayer{index + 1}"] = DenseLayer(
                in_channels + index * growth_rate,
                growth_rate=growth_rate,
                bn_size=bn_size,
                drop_rate=drop_rate,
                conv_bias=conv_bias,
            )

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return (B, C + num_layers * growth_rate, H, W) for (B, C, H, W)."""
        if self.memory_efficient and self.training and torch.is_grad_enabled():
            return recomputing(cast(Collection[DenseLayer], self.values()), images_BCHW)
        features_BCHW = images_BCHW
        for layer in self.values():
            features_BCHW = torch.cat((features_BCHW, layer(features_BCHW)), dim=1)
        return features_BCHW


class Transition(nn.Module):
    """BN-ReLU-1x1 convolution and 2x2 average pool: (B, C, H, W) to (B, out_channels, H // 2, W // 2)."""

    def __init__(self, in_channels: int, out_channels: int, *, drop_rate: float = 0.0, conv_bias: bool = False) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=conv_bias)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return half the height and width with `out_channels` channels."""
        mixed_BCHW = _dropout(self.conv(self.relu(self.norm(images_BCHW))), self.drop_rate, training=self.training)
        pooled_BCHW: Tensor = self.pool(mixed_BCHW)
        return pooled_BCHW


class DenseNet(nn.Module):
    """Stem, dense blocks joined by transitions, BN-ReLU, global average pool and a linear classifier.

    Build it with `densenet`, which documents the arguments.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        growth_rate: int,
        block_config: Sequence[int],
        num_init_features: int,
        bn_size: int | None,
        compression: float,
        drop_rate: float,
        stem: str,
        conv_bias: bool,
        memory_efficient: bool,
    ) -> None:
        super().__init__()
        self.features = _stem(stem, in_channels, num_init_features, conv_bias=conv_bias)
        channels = num_init_features
        for index, num_layers in enumerate(block_config, start=1):
            block = DenseBlock(
                num_layers,
                channels,
                growth_rate,
                bn_size=bn_size,
                drop_rate=drop_rate,
                conv_bias=conv_bias,
                memory_efficient=memory_efficient,
            )
            self.features.add_module(f"denseblock{index}", block)
            channels += num_layers * growth_rate
            if index < len(block_config):
                compressed = int(channels * compression)
                transition = Transition(channels, compressed, drop_rate=drop_rate, conv_bias=conv_bias)
                self.features.add_module(f"transition{index}", transition)
                channels = compressed
        self.features.add_module(f"norm{len(block_config) + 1}", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        features_BCHW = functional.relu(self.features(images_BCHW), inplace=True)
        logits_BK: Tensor = self.classifier(features_BCHW.mean(dim=(2, 3)))
        return logits_BK


def densenet(
    *,
    in_channels: int,
    num_classes: int,
    growth_rate: int,
    depth: int | None = None,
    block_config: Sequence[int] | None = None,
    num_init_features: int | None = None,
    bn_size: int | None = None,
    compression: float = 1.0,
    drop_rate: float = 0.0,
    stem: str = "small",
    initialization: str = "he",
    conv_bias: bool = False,
    memory_efficient: bool = False,
) -> DenseNet:
    """Return a DenseNet with freshly drawn weights.

    Args:
        in_channels: of the images.
        num_classes: number of logits.
        growth_rate: feature maps that each layer adds (the paper's k).
        depth: the paper's L, for three equal blocks; or else
        block_config: layers of each dense block.
        num_init_features: maps after the stem; None is the paper's choice, 16 for plain nets and 2k with bottlenecks.
        bn_size: width of a bottleneck in units of `growth_rate` (4 in the paper), None for plain layers.
        compression: share of the channels that a transition keeps (the paper's theta, 0.5 in BC nets), rounded down.
        drop_rate: dropout after every convolution but the stem's (0.2 in the paper where nothing is augmented).
        stem: `small`, a 3x3 convolution, or `imagenet`, 7x7/2 convolution, BN, ReLU, 3x3/2 max pool.
        initialization: see `initialize`.
        conv_bias: biases in convolutions, redundant where a BatchNorm follows; the seed's net has them.
        memory_efficient: recompute instead of keep, see `DenseBlock`.

    Raises:
        ValueError: an impossible depth, both or neither of depth and block_config, or an unknown name.
    """
    layers = geometry.block_config(depth=depth, block_config=block_config, bottleneck=bn_size is not None)
    network = DenseNet(
        in_channels=in_channels,
        num_classes=num_classes,
        growth_rate=growth_rate,
        block_config=layers,
        num_init_features=geometry.num_init_features(num_init_features, growth_rate=growth_rate, bn_size=bn_size),
        bn_size=bn_size,
        compression=compression,
        drop_rate=drop_rate,
        stem=stem,
        conv_bias=conv_bias,
        memory_efficient=memory_efficient,
    )
    initialize(network, initialization)
    return network


def _stem(name: str, in_channels: int, out_channels: int, *, conv_bias: bool) -> nn.Sequential:
    """Return the first layers; the small stem is a convolution alone, followed by the first block's BN."""
    stem = nn.Sequential()
    if name == "small":
        stem.add_module("conv0", nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=conv_bias))
        return stem
    if name != "imagenet":
        raise ValueError(f"architecture.stem={name}: one of {', '.join(geometry.STEMS)} is accepted")
    stem.add_module("conv0", nn.Conv2d(in_channels, out_channels, kernel_size=7, stride=2, padding=3, bias=conv_bias))
    stem.add_module("norm0", nn.BatchNorm2d(out_channels))
    stem.add_module("relu0", nn.ReLU(inplace=True))
    stem.add_module("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
    return stem


def _dropout(images_BCHW: Tensor, drop_rate: float, *, training: bool) -> Tensor:
    return functional.dropout(images_BCHW, drop_rate, training) if drop_rate else images_BCHW
