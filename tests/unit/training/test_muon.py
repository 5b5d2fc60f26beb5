import copy
import math

import pytest
import torch
from torch import Tensor, nn

from densenet_sweep.training import optimizers
from densenet_sweep.training.muon import Muon, orthogonalized


def network() -> nn.Module:
    """Two kernels of one shape and one taller than wide, norms, biases and a classifier; kernels in channels_last."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3, padding=1, bias=False),
        nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(32, 3),
    )  # fmt: skip
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def muon(net: nn.Module, **changed: float) -> Muon:
    settings = {"lr": 0.05, "weight_decay": 0.1, "decay_norm_and_bias": True, "momentum": 0.8, "ns_steps": 5}
    return optimizers.muon(net, **{**settings, **changed})


def backward(net: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    net.zero_grad()
    net(torch.randn(4, 3, 2, 2, generator=generator)).square().sum().backward()


def plainly(matrix: Tensor, steps: int) -> Tensor:
    """The iteration as its author writes it, for one matrix in double precision."""
    x = matrix.double()
    if matrix.shape[0] > matrix.shape[1]:
        x = x.T
    x = x / x.norm()
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


@pytest.mark.parametrize("shape", [(1, 12, 108), (3, 48, 24), (2, 16, 16), (2, 5, 1)])
def test_singular_values_come_out_near_one_and_singular_vectors_stay(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    matrices = u @ torch.diag_embed(values.clamp(min=0.05 * values.max())) @ v
    found = orthogonalized(1e-4 * matrices, 5)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    rotated = u.mT @ found @ v.mT
    torch.testing.assert_close(rotated, torch.diag_embed(rotated.diagonal(dim1=1, dim2=2)), atol=1e-4, rtol=0)


def test_a_gradient_of_zeros_moves_nothing():
    assert torch.equal(orthogonalized(torch.zeros(2, 3, 4), 5), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("decay_norm_and_bias", [True, False])
def test_it_takes_the_steps_of_a_plain_implementation(steps, decay_norm_and_bias):
    ours, theirs = network(), network()
    optimizer = muon(ours, ns_steps=steps, decay_norm_and_bias=decay_norm_and_bias)
    others = [p for p in theirs.parameters() if p.ndim != 4]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.1 if decay_norm_and_bias else 0.0},
    ]
    sgd = torch.optim.SGD(groups, lr=0.05, momentum=0.8, nesterov=True)
    momentum = {p: torch.zeros(p.shape) for p in theirs.parameters() if p.ndim == 4}
    for step in range(4):
        backward(ours, step)
        backward(theirs, step)
        optimizer.step()
        sgd.step()
        for kernel, buffer in momentum.items():
            buffer.mul_(0.8).add_(kernel.grad)
            matrix = (kernel.grad + 0.8 * buffer).reshape(len(kernel), -1)
            scale = math.sqrt(max(1, matrix.shape[0] / matrix.shape[1]))
            with torch.no_grad():
                kernel.mul_(1 - 0.05 * 0.1).sub_(0.05 * scale * plainly(matrix, steps).reshape(kernel.shape).float())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_a_kernel_of_one_pixel_takes_the_step_of_torchs_muon_up_to_its_bf16():
    convolution = nn.Conv2d(20, 40, 1, bias=False)
    matrix = nn.Parameter(convolution.weight.detach().flatten(1).clone())
    start = matrix.detach().clone()
    # torch's momentum is a mean and ours a sum, which orthogonalising makes the same.
    theirs = torch.optim.Muon([matrix], lr=0.5, weight_decay=0.2, momentum=0.9)
    ours = muon(convolution, lr=0.5, weight_decay=0.2, momentum=0.9)
    for step in range(3):
        gradient = torch.randn(40, 20, generator=torch.Generator().manual_seed(step))
        matrix.grad, convolution.weight.grad = gradient, gradient.view(40, 20, 1, 1).clone()
        theirs.step()
        ours.step()
    error = (convolution.weight.flatten(1) - matrix).norm() / (matrix - start).norm()
    assert error < 0.02


def test_a_checkpoint_continues_to_the_bit():
    whole, first = network(), network()
    optimizer = muon(whole)
    for step in range(6):
        backward(whole, step)
        optimizer.step()
    optimizer = muon(first)
    for step in range(3):
        backward(first, step)
        optimizer.step()
    kept = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    second = network()
    optimizer = muon(second)
    second.load_state_dict(kept[0])
    optimizer.load_state_dict(kept[1])
    for step in range(3, 6):
        backward(second, step)
        optimizer.step()
    assert all(torch.equal(one, two) for one, two in zip(whole.parameters(), second.parameters(), strict=True))


def test_every_parameter_is_in_one_group_and_kernels_alone_are_orthogonalized():
    net = network()
    groups = muon(net, decay_norm_and_bias=False).param_groups
    kinds = {id(p): (group["orthogonal"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(kinds) == sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    assert all(group["params"] and group["lr"] == 0.05 for group in groups)
    for parameter in net.parameters():
        assert kinds[id(parameter)] == (parameter.ndim == 4, 0.1 if parameter.ndim > 1 else 0.0)


def test_frozen_parameters_stay():
    net = network()
    net[0].weight.requires_grad_(False)
    before = net[0].weight.clone()
    optimizer = muon(net)
    backward(net, 0)
    optimizer.step()
    assert torch.equal(net[0].weight, before)
