"""What a configuration may cost: estimated from its network on the CPU, before any training."""

from typing import Any

from torch import nn

from densenet_sweep.architectures.description import describe
from densenet_sweep.config.schema import AdamWConfig, Config, MuonConfig, SGDConfig


def excesses(config: Config, network: nn.Module, bytes_per_activation: int) -> dict[str, float]:
    """Return by how much `network` exceeds each limit that is set, as a fraction of it; 0 or less is within it.

    Args:
        config: with the limits.
        network: on the CPU.
        bytes_per_activation: 4 in fp32, 2 in bf16.
    """
    found = {}
    for name, estimate in estimates(config, network, bytes_per_activation).items():
        limit = getattr(config.limits, name)
        found[name] = estimate / limit - 1
    return found


def estimates(config: Config, network: nn.Module, bytes_per_activation: int) -> dict[str, int]:
    """Return the estimate of each quantity that has a limit.

    Memory is what autograd keeps of a batch, and weights, gradients and the optimizer's state in fp32; it leaves out the data
    set, the library's own memory and what convolutions need for a moment.
    """
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    found = {}
    if config.limits.num_parameters is not None:
        found["num_parameters"] = num_parameters
    if config.limits.memory_bytes is not None:
        cost = describe(network, image_size=config.data.image_size, batch_size=config.batch_size)
        activations = cost.activation_bytes * bytes_per_activation // 4
        found["memory_bytes"] = activations + 4 * num_parameters * (2 + _num_states(config.optimizer))
    return found


def message(config: Config, network: nn.Module, bytes_per_activation: int) -> str:
    """Return which limits are exceeded, by key, limit and estimate."""
    over = [
        f"limits.{name}={getattr(config.limits, name):,}, and this network takes {estimate:,}"
        for name, estimate in estimates(config, network, bytes_per_activation).items()
        if estimate > getattr(config.limits, name)
    ]
    return "; ".join(over)


def _num_states(optimizer: Any) -> int:
    """Return how many numbers the optimizer keeps for each weight."""
    if isinstance(optimizer, AdamWConfig):
        return 2
    if isinstance(optimizer, MuonConfig):
        return 1
    return int(isinstance(optimizer, SGDConfig) and optimizer.momentum > 0)
