"""The size of a network by arithmetic alone: builds nothing and imports no torch.

Sums over the layers of a block are closed formulas, so that a block of a million layers costs as much as one of four.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from densenet_sweep.architectures import geometry
from densenet_sweep.counts import counted
from densenet_sweep.picture_size import sides

# torchvision's ResNet-18 without its first convolution and its classifier.
_RESNET18_MIDDLE = 11_167_104
_RESNET18_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Size:
    """A network's exact `num_parameters`, and nearly exact `num_activations`: numbers per image that a training step keeps."""

    num_parameters: int
    num_activations: int


def densenet(
    *,
    in_channels: int,
    num_classes: int,
    image_size: int | Sequence[int],
    growth_rate: int,
    block_config: Sequence[int],
    num_init_features: int | None,
    bn_size: int | None,
    compression: float,
    stem: str,
    conv_bias: bool,
    memory_efficient: bool,
) -> Size:
    """Return the size of what `densenet_sweep.architectures.densenet.densenet` builds; it documents the arguments.

    Raises:
        ValueError: a transition that would keep no channel.
    """
    bias = int(conv_bias)
    channels = geometry.num_init_features(num_init_features, growth_rate=growth_rate, bn_size=bn_size)
    kernel = 9 if stem == "small" else 49
    parameters = kernel * in_channels * channels + bias * channels
    height, width = sides(image_size)
    activations = in_channels * height * width
    heights, widths = (geometry.stage_sizes(side, stem, len(block_config)) for side in (height, width))
    areas = [rows * columns for rows, columns in zip(heights, widths, strict=True)]
    if stem == "imagenet":
        parameters += 2 * channels
        # The outputs of the convolution and its norm at half the size, and the pool's 8-byte indices at a quarter.
        activations += 2 * channels * (_halved(height) * _halved(width) + areas[0])
    for index, (num_layers, area) in enumerate(zip(block_config, areas, strict=True)):
        # Channels that all layers together read.
        read = num_layers * channels + growth_rate * (num_layers * (num_layers - 1) // 2)
        if bn_size is None:
            parameters += 2 * read + 9 * read * growth_rate + bias * num_layers * growth_rate
            inside = 0
        else:
            maps = bn_size * growth_rate
            parameters += 2 * read + read * maps + num_layers * (2 * maps + 9 * maps * growth_rate)
            parameters += bias * num_layers * (maps + growth_rate)
            inside = num_layers * maps
        channels += num_layers * growth_rate
        activations += (channels + inside if memory_efficient else 2 * read + 2 * inside) * area
        parameters += 2 * channels  # of the norm in the transition, or after the last block
        activations += (1 if memory_efficient else 2) * channels * area
        if index + 1 < len(block_config):
            kept = int(channels * compression)
            if kept < 1:
                raise ValueError(
                    f"architecture.compression={compression:g}: a transition would keep none of "
                    f"{counted(channels, 'channel')}; at least {1 / channels:.2g} is accepted"
                )
            parameters += channels * kept + bias * kept
            activations += kept * area
            channels = kept
    parameters += channels * num_classes + num_classes
    return Size(parameters, activations)


def resnet18(*, in_channels: int, num_classes: int, image_size: int | Sequence[int], stem: str) -> Size:
    """Return the size of what `densenet_sweep.architectures.resnet.resnet18` builds."""
    kernel = 9 if stem == "small" else 49
    parameters = _RESNET18_MIDDLE + kernel * in_channels * 64 + 512 * num_classes + num_classes
    height, width = sides(image_size)
    activations = in_channels * height * width
    if stem == "imagenet":
        height, width = _halved(height), _halved(width)
        activations += 2 * 64 * height * width
        height, width = _halved(height), _halved(width)
        activations += 3 * 64 * height * width
    else:
        activations += 2 * 64 * height * width
    for index, channels in enumerate(_RESNET18_WIDTHS):
        # Two blocks of two convolutions, each kept before and after its norm; plus the shortcut where the width changes.
        activations += (9 if index else 8) * channels * height * width
        height, width = _halved(height), _halved(width)
    return Size(parameters, activations)


def resnet(
    *,
    in_channels: int,
    num_classes: int,
    image_size: int | Sequence[int],
    num_blocks: int,
    width: int,
    shortcut: str,
    pre_activation: bool,
) -> Size:
    """Return the size of what `densenet_sweep.architectures.cifar_resnet.resnet` builds; it documents the arguments.

    `num_blocks` are those of each stage.
    """
    height, columns = sides(image_size)
    parameters = 9 * in_channels * width + 2 * width * (4 if pre_activation else 1) + 4 * width * num_classes + num_classes
    maps = before = width * height * columns
    activations = in_channels * height * columns + (1 if pre_activation else 2) * maps
    for stage in range(geometry.NUM_SMALL_IMAGE_BLOCKS):
        channels, read = width * 2**stage, width * 2 ** max(stage - 1, 0)
        if stage:
            height, columns = _halved(height), _halved(columns)
        maps = channels * height * columns
        convolutions = 9 * channels * (read + (2 * num_blocks - 1) * channels)
        norms = 4 * num_blocks * channels - (2 * (channels - read) if pre_activation else 0)
        parameters += convolutions + norms
        # Each convolution is kept before and after its norm.
        activations += 4 * num_blocks * maps
        if pre_activation:
            activations += before - maps  # the first norm of the stage gives what it reads
        if stage and shortcut == "B":
            parameters += read * channels + (0 if pre_activation else 2 * channels)
            activations += 0 if pre_activation else maps
        before = maps
    return Size(parameters, activations + (maps if pre_activation else 0))


def _halved(side: int) -> int:
    """Return a side after a layer of stride 2 whose padding keeps the corners."""
    return (side - 1) // 2 + 1
