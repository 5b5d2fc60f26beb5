"""What a network may cost: estimated on the CPU, before any training."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from densenet_sweep.architectures.description import describe
from densenet_sweep.architectures.size import Size
from densenet_sweep.config.schema import LimitsConfig

# A user's own optimizer counts as Adam does.
_STATES_OF_UNKNOWN = 2


def estimates(
    limits: LimitsConfig,
    network: nn.Module | Size,
    *,
    image_size: int,
    batch_size: int,
    bytes_per_activation: int,
    states_per_weight: int | None,
) -> dict[str, int]:
    """Return the estimate of each quantity that has a limit.

    Memory counts the activations that autograd keeps for a batch, and weights, gradients and the optimizer's state in fp32. It
    leaves out the data set, the library's own memory and the workspace of convolutions.

    Args:
        limits: those that are set select the quantities.
        network: on the CPU; or the size of one that is too large to be built.
        image_size: in pixels.
        batch_size: of a training step.
        bytes_per_activation: 4 in fp32, 2 in bf16.
        states_per_weight: how many numbers the optimizer keeps for each weight; None where that is unknown.
    """
    found = {}
    if limits.num_parameters is not None:
        found["num_parameters"] = num_parameters(network)
    if limits.memory_bytes is not None:
        if isinstance(network, Size):
            fp32_bytes = 4 * network.num_activations * batch_size
        else:
            fp32_bytes = describe(network, image_size=image_size, batch_size=batch_size).activation_bytes
        states = _STATES_OF_UNKNOWN if states_per_weight is None else states_per_weight
        copies = 2 + states  # the weights, their gradients, the optimizer's numbers
        found["memory_bytes"] = fp32_bytes * bytes_per_activation // 4 + 4 * num_parameters(network) * copies
    return found


def excesses(limits: LimitsConfig, found: Mapping[str, int]) -> dict[str, float]:
    """Return how far each estimate exceeds its limit, as a fraction of the limit; 0 or less is within it."""
    return {name: estimate / getattr(limits, name) - 1 for name, estimate in found.items()}


def message(limits: LimitsConfig, found: Mapping[str, int]) -> str:
    """Return a message with the key, limit and estimate of each limit that is exceeded."""
    over = [
        f"limits.{name}={getattr(limits, name):,}, and this network takes {estimate:,}"
        for name, estimate in found.items()
        if estimate > getattr(limits, name)
    ]
    return "; ".join(over)


def costs(network: nn.Module, objectives: Sequence[str], *, image_size: int | Sequence[int]) -> dict[str, int]:
    """Return what a run records of its network: `num_parameters`, and `num_macs` of an image where that is an objective.

    `network` and torch's generators are left as they are.
    """
    found = {"num_parameters": num_parameters(network)}
    if "num_macs" in objectives:
        with torch.random.fork_rng(devices=[]):
            found["num_macs"] = describe(copy.deepcopy(network).cpu(), image_size=image_size, batch_size=1).num_macs
    return found


def num_parameters(network: nn.Module | Size) -> int:
    """Return how many weights `network` has, or the network of that size."""
    return network.num_parameters if isinstance(network, Size) else sum(it.numel() for it in network.parameters())
