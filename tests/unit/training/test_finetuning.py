import pytest
import torch
from torch import nn

from densenet_sweep.architectures import parts
from densenet_sweep.architectures.densenet import DenseNet, densenet
from densenet_sweep.training import optimizers, schedules
from densenet_sweep.training.finetuning import Frozen, freeze, regroup
from densenet_sweep.training.fit import fit


def network(**changes) -> DenseNet:
    torch.manual_seed(0)
    return densenet(in_channels=1, num_classes=3, growth_rate=2, block_config=(2, 2), drop_rate=0.3, bn_size=2, **changes)


def sgd(net: nn.Module) -> torch.optim.Optimizer:
    return optimizers.sgd(net, lr=0.1, weight_decay=0.1, decay_norm_and_bias=False, momentum=0.9, nesterov=True)


def muon(net: nn.Module) -> torch.optim.Optimizer:
    return optimizers.muon(net, lr=0.1, weight_decay=0.1, decay_norm_and_bias=True, momentum=0.9, ns_steps=2)


def batches(epoch: int):
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(2):
        yield torch.randn(4, 1, 8, 8, generator=generator), torch.randint(0, 3, (4,), generator=generator)


def trained(net: nn.Module, optimizer: torch.optim.Optimizer, frozen: Frozen, *, epochs: int = 4, first_epoch: int = 0) -> None:
    steps = {"train_batches": batches, "valid_batches": lambda: batches(99), "num_batches": 2}
    schedule = schedules.constant()
    for _ in fit(net, optimizer, schedule, **steps, epochs=epochs, first_epoch=first_epoch, frozen=frozen):
        pass


def changed(net: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name.removeprefix("features.").partition(".")[0]
        for name, it in net.state_dict().items()
        if not torch.equal(it, before[name])
    }


@pytest.mark.parametrize("made", [sgd, muon])
def test_what_is_frozen_keeps_weights_and_statistics(made):
    net = network()
    before = {name: it.clone() for name, it in net.state_dict().items()}
    frozen = freeze(parts.frozen(net, "transition1"), None)
    trained(net, made(net), frozen)
    assert changed(net, before) == {"denseblock2", "norm3", "classifier"}


@pytest.mark.parametrize("made", [sgd, muon])
def test_what_is_released_is_trained_from_then_on(made):
    net = network()
    before = {name: it.clone() for name, it in net.state_dict().items()}
    frozen = freeze(parts.frozen(net, "features"), 2)
    optimizer = made(net)
    regroup(optimizer, frozen, [], 1.0)
    trained(net, optimizer, frozen, epochs=2)
    assert changed(net, before) == {"classifier"}
    trained(net, optimizer, frozen, epochs=3, first_epoch=2)
    assert changed(net, before) == {"conv0", "denseblock1", "transition1", "denseblock2", "norm3", "classifier"}


def test_a_training_that_begins_again_is_frozen_again():
    net = network()
    frozen = freeze(parts.frozen(net, "features"), 1)
    optimizer = sgd(net)
    regroup(optimizer, frozen, [], 1.0)
    trained(net, optimizer, frozen, epochs=2)
    before = {name: it.clone() for name, it in net.state_dict().items()}
    trained(net, optimizer, frozen, epochs=1)
    assert changed(net, before) == {"classifier"}


def test_blocks_that_recompute_give_the_same_behind_a_frozen_part():
    states = []
    for memory_efficient in (False, True):
        net = network(memory_efficient=memory_efficient)
        trained(net, sgd(net), freeze(parts.frozen(net, "denseblock1"), None), epochs=2)
        states.append(net.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_factor_scales_the_rate_of_the_chosen_parameters_alone():
    net = network()
    optimizer = sgd(net)
    chosen = list(net.features.parameters())
    regroup(optimizer, Frozen(()), chosen, 0.25)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    decays = {id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(rates) == len(list(net.parameters()))
    assert all(decays[id(it)] == (0.1 if it.ndim > 1 else 0.0) for it in net.parameters())
    for name, parameter in net.named_parameters():
        assert rates[id(parameter)] == (0.1 if name.startswith("classifier") else 0.025), name
    assert optimizer.param_groups[-1]["lr"] == 0.1  # which `fit` reports


def test_a_scaled_step_is_that_much_shorter():
    steps = []
    for factor in (1.0, 0.5):
        net = network()
        before = net.features.conv0.weight.detach().clone()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        regroup(optimizer, Frozen(()), list(net.features.parameters()), factor)
        trained_once = next(iter(batches(0)))
        net.eval()
        nn.functional.cross_entropy(net(trained_once[0]), trained_once[1]).backward()
        optimizer.step()
        steps.append(net.features.conv0.weight.detach() - before)
    torch.testing.assert_close(steps[1], steps[0] / 2, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("parts_of", "factor"), [(lambda net: net.features, 1.0), (lambda _: nn.Identity(), 0.1)])
def test_nothing_to_scale_leaves_the_groups(parts_of, factor):
    net = network()
    optimizer = sgd(net)
    groups = [{**group, "params": list(map(id, group["params"]))} for group in optimizer.param_groups]
    regroup(optimizer, Frozen(parts.frozen(net, "features")), list(parts_of(net).parameters()), factor)
    assert [{**group, "params": list(map(id, group["params"]))} for group in optimizer.param_groups] == groups
