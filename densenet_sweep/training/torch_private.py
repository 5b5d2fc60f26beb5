"""PyTorch's optimizers without torch.compile's compiler, whose import takes as long as PyTorch's own.

Their methods import it on first use only to say that it must not compile them. No optimizer is compiled here; a network may be.
"""

import inspect

import torch

# Methods of every optimizer that leave themselves out of what is compiled.
_LEFT_OUT = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


class SGD(torch.optim.SGD):
    """`torch.optim.SGD` that is not differentiable."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` that is not differentiable."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def leave_compiler_out() -> None:
    """Let all optimizers be made and used without the compiler, where their steps do without."""
    for name in _LEFT_OUT:
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, "__dynamo_disable"):
            method.__dynamo_disable = method
