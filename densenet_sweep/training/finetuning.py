"""Fine-tuning: which parts of a network stand still, and how fast the others learn. Knows no weights' origin."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, eq=False)
class Frozen:
    """Parts of a network that stay as they are for the first `epochs` epochs, or for all of them without a number.

    Their weights have no gradient, and they are in evaluation mode: BatchNorm normalises by the statistics that it has and
    leaves them alone, and nothing is dropped out.
    """

    parts: Sequence[nn.Module]
    epochs: int | None = None

    def set_for(self, epoch: int) -> None:
        """Freeze the parts for this epoch, counted from 0, or release them; call it after `network.train()`."""
        is_frozen = self.epochs is None or epoch < self.epochs
        for part in self.parts:
            part.requires_grad_(not is_frozen)
            if is_frozen:
                part.eval()


def freeze(parts: Sequence[nn.Module], epochs: int | None) -> Frozen:
    """Return `parts` as frozen; those frozen for good are so at once, and an optimizer made afterwards leaves them out."""
    frozen = Frozen(parts, epochs)
    if epochs is None:
        frozen.set_for(0)
    return frozen


def regroup(optimizer: torch.optim.Optimizer, frozen: Frozen, loaded: Collection[nn.Parameter], lr_factor: float) -> None:
    """Give `loaded` their own groups with `lr_factor` times their learning rate, and likewise what is released later.

    These come before the optimizer's others, which keep their order; call it before the first step. What is released later
    needs groups of its own because torch's fused SGD (up to 2.15) expects momentum of all of a group or of none.
    """
    if lr_factor != 1:
        _set_apart(optimizer, loaded, lr_factor)
    if frozen.epochs is not None:
        _set_apart(optimizer, [parameter for part in frozen.parts for parameter in part.parameters()], 1.0)


def _set_apart(optimizer: torch.optim.Optimizer, parameters: Collection[nn.Parameter], factor: float) -> None:
    chosen = {id(parameter) for parameter in parameters}
    apart, others = [], []
    for group in optimizer.param_groups:
        inside = [it for it in group["params"] if id(it) in chosen]
        outside = [it for it in group["params"] if id(it) not in chosen]
        if inside:
            apart.append({**group, "params": inside, "lr": group["lr"] * factor})
        if outside or not inside:
            others.append({**group, "params": outside})
    optimizer.param_groups[:] = [*apart, *others]
