"""Optimizers by the names of `conf/optimizer/`; owns the split of the parameters into decayed and undecayed."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from densenet_sweep.training.muon import Muon
from densenet_sweep.training.torch_private import SGD, AdamW


def sgd(
    network: nn.Module, *, lr: float, weight_decay: float, decay_norm_and_bias: bool, momentum: float, nesterov: bool
) -> SGD:
    """Return SGD with fused updates; the paper's is momentum 0.9 with Nesterov and weight decay 1e-4 on everything."""
    groups = parameter_groups(network, weight_decay=weight_decay, decay_norm_and_bias=decay_norm_and_bias)
    return SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)


def adamw(
    network: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    decay_norm_and_bias: bool,
    betas: tuple[float, float],
    eps: float,
) -> AdamW:
    """Return AdamW with fused updates (Loshchilov and Hutter, ICLR 2019)."""
    groups = parameter_groups(network, weight_decay=weight_decay, decay_norm_and_bias=decay_norm_and_bias)
    return AdamW(groups, lr=lr, betas=(betas[0], betas[1]), eps=eps, fused=True)


def muon(
    network: nn.Module, *, lr: float, weight_decay: float, decay_norm_and_bias: bool, momentum: float, ns_steps: int
) -> Muon:
    """Return Muon for the convolution kernels and Nesterov's SGD for everything else, at the same learning rate."""
    groups = parameter_groups(network, weight_decay=weight_decay, decay_norm_and_bias=decay_norm_and_bias)
    by_kind = [
        {**group, "params": chosen, "orthogonal": orthogonal}
        for group in groups
        for orthogonal in (True, False)
        if (chosen := [parameter for parameter in group["params"] if (parameter.ndim == 4) == orthogonal])
    ]
    return Muon(by_kind, lr=lr, momentum=momentum, ns_steps=ns_steps)


def parameter_groups(network: nn.Module, *, weight_decay: float, decay_norm_and_bias: bool) -> list[dict[str, Any]]:
    """Return one group of all parameters, or one with weight decay (kernels, matrices) and one without (vectors).

    Every norm and bias of a convolutional net is a vector, and nothing else is.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if decay_norm_and_bias:
        return [_group(parameters, weight_decay)]
    return [
        _group((parameter for parameter in parameters if parameter.ndim > 1), weight_decay),
        _group((parameter for parameter in parameters if parameter.ndim <= 1), 0.0),
    ]


def _group(parameters: Iterable[nn.Parameter], weight_decay: float) -> dict[str, Any]:
    return {"params": list(parameters), "weight_decay": weight_decay}
