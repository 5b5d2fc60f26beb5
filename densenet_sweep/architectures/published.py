"""The networks whose ImageNet weights torchvision publishes; imports no torch, so that a config is checked at once."""

from collections.abc import Sequence

# By growth rate, layers of the blocks and maps after the stem: the name of torchvision's enumeration, without `_Weights`.
_DENSENETS: dict[tuple[int, tuple[int, ...], int], str] = {
    (32, (6, 12, 24, 16), 64): "DenseNet121",
    (48, (6, 12, 36, 24), 96): "DenseNet161",
    (32, (6, 12, 32, 32), 64): "DenseNet169",
    (32, (6, 12, 48, 32), 64): "DenseNet201",
}

# Of each channel of the pictures, scaled to [0, 1], that these weights were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def densenet(
    *,
    growth_rate: int,
    block_config: Sequence[int],
    num_init_features: int,
    bn_size: int | None,
    compression: float,
    stem: str,
    conv_bias: bool,
) -> str | None:
    """Return the network's name at torchvision, or None where it publishes no such one."""
    if (stem, bn_size, compression, conv_bias) != ("imagenet", 4, 0.5, False):
        return None
    return _DENSENETS.get((growth_rate, tuple(block_config), num_init_features))


def resnet18(*, stem: str) -> str | None:
    """Return the network's name at torchvision, or None where it publishes no such one."""
    return "ResNet18" if stem == "imagenet" else None
