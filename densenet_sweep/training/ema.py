"""The average of a network's weights over its training, which is evaluated and kept in their place.

`torch.optim.swa_utils.AveragedModel` (up to torch 2.15) makes a GPU wait for a decay that begins low, and averages BatchNorm's
counters, too.
"""

import copy
from typing import Any

import torch
from torch import nn

# The decay after t steps is at most (1 + t) / (10 + t), as in TensorFlow's ExponentialMovingAverage.
_FIRST_STEPS = 10


class WeightAverage:
    """The exponential moving average of a network (Polyak and Juditsky, 1992; Tarvainen and Valpola, NeurIPS 2017).

    After each step average <- d average + (1 - d) weight, where d is `decay`, but smaller in the first steps: the untrained
    weights are then forgotten in short trainings too. BatchNorm's mean and variance are averaged in the same way, so that they
    are those of the averaged weights; its counter of batches is copied.

    Attributes:
        network: holds the average; a copy on the same device, without gradients.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Take the network to average, as it is before its training."""
        self._source = network
        self._decay = decay
        self._num_steps = 0
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False).eval()

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a step."""
        self._num_steps += 1
        decay = min(self._decay, (1 + self._num_steps) / (_FIRST_STEPS + self._num_steps))
        averages, weights = [], []
        for average, weight in self._pairs():
            if average.is_floating_point():
                averages.append(average)
                weights.append(weight)
            else:
                average.copy_(weight)
        torch._foreach_lerp_(averages, weights, 1 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin anew with the weights as they are."""
        self._num_steps = 0
        for average, weight in self._pairs():
            average.copy_(weight)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` continues from."""
        return {"network": self.network.state_dict(), "num_steps": self._num_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from an earlier `state_dict`."""
        self.network.load_state_dict(state["network"])
        self._num_steps = state["num_steps"]

    def _pairs(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        ours = [*self.network.parameters(), *self.network.buffers()]
        return list(zip(ours, [*self._source.parameters(), *self._source.buffers()], strict=True))
