"""Initialization of a network's weights."""

from torch import nn

from densenet_sweep.architectures import geometry


def initialize(network: nn.Module, name: str) -> None:
    """Draw the weights of `network` anew, in place.

    `he`: convolutions normal with fan-out (He et al., 2015; the paper's), linear biases zero, BatchNorms one and zero.
    `xavier`: convolutions and linear layers Xavier-uniform (Glorot and Bengio, 2010; the seed's), biases as torch draws them.
    `torch`: as the modules' constructors left them.

    Raises:
        ValueError: another name.
    """
    if name not in geometry.INITIALIZATIONS:
        raise ValueError(f"architecture.initialization={name}: one of {', '.join(geometry.INITIALIZATIONS)} is accepted")
    for module in network.modules():
        if name == "he" and isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif name == "he" and isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        elif name == "xavier" and isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
