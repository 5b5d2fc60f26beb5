"""Muon for convolution kernels, and SGD with Nesterov momentum for what has no matrix to orthogonalise.

Owns the update of a step; a group's `orthogonal` marks its parameters as kernels. `torch.optim.Muon` takes only matrices and
refuses kernels (up to torch 2.15).
Shape suffixes: N kernels of one shape, O output channels, I inputs of one output (input channels x height x width).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from densenet_sweep.training.precision import resolve_dtype

Tensors = list[Tensor] | tuple[Tensor, ...]

# Jordan's quintic: steep at zero, so that small singular values grow fast; the large ones end between about 0.7 and 1.2.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_SMALLEST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is orthogonalised for kernels (Jordan et al., "Muon", 2024, kellerjordan.github.io/posts/muon).

    Every parameter has the direction d = g + momentum b of Nesterov's SGD, with b the sum of past gradients g, as in
    `torch.optim.SGD`. One learning rate serves both kinds of group:

    - `orthogonal=False`: w <- w - lr d, with weight decay added to g, so exactly `torch.optim.SGD`.
    - `orthogonal=True`: `ns_steps` of a Newton-Schulz iteration replace d, as a matrix of O x I, by the nearest matrix whose
      singular values are all about 1; w <- (1 - lr weight_decay) w - lr sqrt(max(1, O / I)) d. So `lr` is how far a step moves
      a kernel in the spectral norm, whatever the size of its gradient.
    """

    def __init__(self, params: Iterable[dict[str, Any]], *, lr: float, momentum: float, ns_steps: int) -> None:
        """Take groups that each have `weight_decay` and `orthogonal`."""
        super().__init__(params, {"lr": lr, "momentum": momentum, "ns_steps": ns_steps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            gradients = [weight.grad for weight in weights]
            if group["orthogonal"]:
                self._step_of_kernels(group, weights, gradients)
            elif weights:
                decayed = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
                torch._foreach_add_(weights, self._directions(group, weights, decayed), alpha=-group["lr"])
        return loss

    def _step_of_kernels(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        alike = defaultdict(list)  # DenseNet's kernels come in few shapes
        for weight, gradient in zip(weights, gradients, strict=True):
            alike[weight.shape].append((weight, gradient))
        for shape, pairs in alike.items():
            kernels = [weight for weight, _ in pairs]
            directions = self._directions(group, kernels, [gradient for _, gradient in pairs])
            matrices_NOI = orthogonalized(torch.stack([direction.flatten(1) for direction in directions]), group["ns_steps"])
            scale = max(1.0, matrices_NOI.shape[1] / matrices_NOI.shape[2]) ** 0.5
            torch._foreach_mul_(kernels, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(kernels, [matrix_OI.view(shape) for matrix_OI in matrices_NOI], alpha=-group["lr"] * scale)

    def _directions(self, group: dict[str, Any], weights: list[Tensor], gradients: Tensors) -> Tensors:
        """Add the gradients to the momentum and return Nesterov's directions."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["momentum_buffer"] for weight in weights]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        return torch._foreach_add(gradients, buffers, alpha=group["momentum"])


def orthogonalized(matrices_NOI: Tensor, steps: int) -> Tensor:
    """Return U V' for each matrix U S V', but with singular values near 1 instead of 1, in the input's dtype.

    Computed in bf16 on a GPU that has it; in fp32 on a CPU, where bf16 does not speed up such small matrices.
    """
    device = matrices_NOI.device
    dtype = resolve_dtype("auto", device) if device.type == "cuda" else torch.float32
    is_tall = matrices_NOI.shape[1] > matrices_NOI.shape[2]
    wide = (matrices_NOI.mT if is_tall else matrices_NOI).to(dtype)
    wide = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=_SMALLEST_NORM)
    a, b, c = _COEFFICIENTS
    for _ in range(steps):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return (wide.mT if is_tall else wide).to(matrices_NOI.dtype)
