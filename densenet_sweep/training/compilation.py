"""`torch.compile` for the training step alone, and never a silent return to eager.

Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import torch
from torch import Tensor, nn


class Compiled(nn.Module):
    """A network whose training steps on full batches are compiled, once.

    The last, smaller batch of an epoch and evaluation run eagerly: each would be compiled anew, at a cost of tens of seconds.
    What cannot be compiled as one graph is an error; so is a further recompilation beyond torch's limit, where it would go on
    eagerly without a word. The limit counts by source line, hence a process's earlier networks are forgotten first.
    """

    def __init__(self, network: nn.Module, batch_size: int) -> None:
        super().__init__()
        torch._dynamo.reset()
        self.network = network
        self._batch_size = batch_size
        # In a list, so that its parameters are not counted twice.
        self._compiled = [torch.compile(network, fullgraph=True, dynamic=False)]

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits_BK."""
        is_full = self.training and len(images_BCHW) == self._batch_size
        logits_BK: Tensor = self._compiled[0](images_BCHW) if is_full else self.network(images_BCHW)
        return logits_BK
