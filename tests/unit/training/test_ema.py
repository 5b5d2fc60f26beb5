import copy

import pytest
import torch
from torch import nn

from densenet_sweep.training.ema import WeightAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def step(net: nn.Module, value: float) -> None:
    """Set all weights and statistics to a value, and count a batch."""
    with torch.no_grad():
        for it in [*net.parameters(), net[1].running_mean, net[1].running_var]:
            it.fill_(value)
    net[1].num_batches_tracked += 1


def test_weights_and_statistics_are_averaged_and_the_first_steps_forget_more():
    net = network()
    average = WeightAverage(net, 0.2)
    weight = average.network[0].weight[0, 0].item()
    step(net, 1.0)
    average.update()
    weight = 2 / 11 * weight + 9 / 11
    assert average.network[0].weight[0, 0].item() == pytest.approx(weight)
    assert average.network[1].running_mean[0].item() == pytest.approx(9 / 11)
    step(net, 3.0)
    average.update()
    weight = 0.2 * weight + 0.8 * 3.0  # 3 / 12 would be more than 0.2
    assert average.network[0].weight[0, 0].item() == pytest.approx(weight)
    assert average.network[1].running_mean[0].item() == pytest.approx(0.2 * 9 / 11 + 2.4)
    assert average.network[1].running_var[0].item() == pytest.approx(0.2 * 1.0 + 2.4)
    assert average.network[1].num_batches_tracked == 2
    assert not any(it.requires_grad for it in average.network.parameters())
    assert net[0].weight[0, 0] == 3.0


def test_without_decay_it_is_the_network():
    net = network()
    average = WeightAverage(net, 0.0)
    step(net, 5.0)
    average.update()
    assert all(torch.equal(average.network.state_dict()[key], value) for key, value in net.state_dict().items())


def test_it_continues_from_its_state_and_restarts_from_the_network():
    net = network()
    average = WeightAverage(net, 0.9)
    step(net, 1.0)
    average.update()
    other = WeightAverage(copy.deepcopy(net), 0.9)
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    for it, trained in ((average, net), (other, other._source)):
        step(trained, 2.0)
        it.update()
    assert all(torch.equal(value, average.network.state_dict()[key]) for key, value in other.network.state_dict().items())
    average.restart()
    assert torch.equal(average.network[0].weight, net[0].weight)
    assert average.state_dict()["num_steps"] == 0
