"""What a configuration may cost: estimated from its network on the CPU, before any training."""

from torch import nn

from densenet_sweep.architectures.description import describe
from densenet_sweep.architectures.size import Size
from densenet_sweep.config.capacity import network_size
from densenet_sweep.config.schema import Config

# A user's own optimizer counts as Adam does.
_STATES_OF_UNKNOWN = 2


def excesses(config: Config, network: nn.Module | None, bytes_per_activation: int) -> dict[str, float]:
    """Return how far `network` exceeds each limit that is set, as a fraction of the limit; 0 or less is within it.

    Args:
        config: with the limits.
        network: on the CPU; None for one that is too large to be built.
        bytes_per_activation: 4 in fp32, 2 in bf16.
    """
    found = {}
    for name, estimate in estimates(config, network, bytes_per_activation).items():
        limit = getattr(config.limits, name)
        found[name] = estimate / limit - 1
    return found


def estimates(config: Config, network: nn.Module | None, bytes_per_activation: int) -> dict[str, int]:
    """Return the estimate of each quantity that has a limit.

    Memory counts the activations that autograd keeps for a batch, and weights, gradients and the optimizer's state in fp32. It
    leaves out the data set, the library's own memory and the workspace of convolutions.
    """
    found = {}
    if config.limits.num_parameters is not None:
        found["num_parameters"] = num_parameters(config, network)
    if config.limits.memory_bytes is not None:
        activations = _activation_bytes(config, network) * bytes_per_activation // 4
        states = config.optimizer.states_per_weight
        copies = 2 + (_STATES_OF_UNKNOWN if states is None else states)  # the weights, their gradients, the optimizer's numbers
        found["memory_bytes"] = activations + 4 * num_parameters(config, network) * copies
    return found


def message(config: Config, network: nn.Module | None, bytes_per_activation: int) -> str:
    """Return a message with the key, limit and estimate of each limit that is exceeded."""
    over = [
        f"limits.{name}={getattr(config.limits, name):,}, and this network takes {estimate:,}"
        for name, estimate in estimates(config, network, bytes_per_activation).items()
        if estimate > getattr(config.limits, name)
    ]
    return "; ".join(over)


def num_parameters(config: Config, network: nn.Module | None) -> int:
    """Return how many weights the network of `config` has; `network` is None for one that is too large to be built."""
    return _size(config).num_parameters if network is None else sum(it.numel() for it in network.parameters())


def _activation_bytes(config: Config, network: nn.Module | None) -> int:
    """Return the bytes that a training step keeps in fp32."""
    if network is None:
        return 4 * _size(config).num_activations * config.batch_size
    return describe(network, image_size=config.data.image_size, batch_size=config.batch_size).activation_bytes


def _size(config: Config) -> Size:
    size = network_size(config)
    assert size is not None, "only a network of known size is too large to be built"
    return size
