import pytest
import torch
from torch import nn

from densenet_sweep.training import optimizers


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def train(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        optimizer.zero_grad()
        network(torch.randn(4, 1, 4, 4, generator=generator)).square().sum().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in network.parameters()]


def test_sgd_takes_torchs_unfused_steps():
    ours, theirs = small_network(), small_network()
    steps = train(
        ours,
        optimizers.sgd(ours, lr=1e-3, weight_decay=1e-2, decay_norm_and_bias=True, momentum=0.9, nesterov=True),
    )
    reference = train(theirs, torch.optim.SGD(theirs.parameters(), lr=1e-3, weight_decay=1e-2, momentum=0.9, nesterov=True))
    for mine, other in zip(steps, reference, strict=True):
        torch.testing.assert_close(mine, other)


def test_adamw_takes_torchs_unfused_steps():
    ours, theirs = small_network(), small_network()
    steps = train(
        ours, optimizers.adamw(ours, lr=1e-3, weight_decay=0.1, decay_norm_and_bias=True, betas=(0.8, 0.99), eps=1e-7)
    )
    reference = train(theirs, torch.optim.AdamW(theirs.parameters(), lr=1e-3, weight_decay=0.1, betas=(0.8, 0.99), eps=1e-7))
    for mine, other in zip(steps, reference, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("decay_norm_and_bias", [True, False])
def test_every_parameter_is_in_one_group_with_its_decay(decay_norm_and_bias):
    network = small_network()
    groups = optimizers.parameter_groups(network, weight_decay=0.5, decay_norm_and_bias=decay_norm_and_bias)
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert len(decay) == sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        is_kernel = name in ("0.weight", "3.weight")
        assert decay[id(parameter)] == (0.5 if is_kernel or decay_norm_and_bias else 0.0), name
