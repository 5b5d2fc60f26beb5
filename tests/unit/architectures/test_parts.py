import pytest
from torch import nn

from densenet_sweep.architectures import parts
from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.architectures.resnet import resnet18
from densenet_sweep.config import composition
from densenet_sweep.config.finetuning import _parts


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return densenet(in_channels=1, num_classes=2, growth_rate=2, block_config=(1, 1), stem="imagenet")


@pytest.mark.parametrize(
    ("freeze", "trained"),
    [
        ("denseblock1", {"transition1", "denseblock2", "norm3", "classifier"}),
        ("transition1", {"denseblock2", "norm3", "classifier"}),
        ("features", {"classifier"}),
        ("none", {"conv0", "norm0", "denseblock1", "transition1", "denseblock2", "norm3", "classifier"}),
    ],
)
def test_a_part_is_frozen_with_all_before_it(freeze, trained, network):
    held = {id(parameter) for part in parts.frozen(network, freeze) for parameter in part.parameters()}
    free = {name for name, parameter in network.named_parameters() if id(parameter) not in held}
    assert {name.removeprefix("features.").partition(".")[0] for name in free} == trained


def test_resnets_features_are_all_before_its_last_layer():
    network = resnet18(in_channels=1, num_classes=2)
    names = [name for name, _ in network.named_children()]
    assert [module for _, module in network.named_children()][:-1] == parts.frozen(network, "features")
    assert names[-1] == parts.head(network) == "fc"


@pytest.mark.parametrize("freeze", ["classifier", "denseblock3"])
def test_the_head_and_what_is_not_there_cannot_be_frozen(freeze, network):
    with pytest.raises(ValueError, match=rf"^finetune\.freeze={freeze}: none, features or one of conv0, norm0, .* is accepted"):
        parts.frozen(network, freeze)


def test_a_network_without_a_linear_layer_has_no_head():
    with pytest.raises(ValueError, match=r"^architecture: this network has no linear layer"):
        parts.head(nn.Sequential(nn.Conv2d(1, 1, 1)))


@pytest.mark.parametrize("architecture", ["densenet121", "densenet_bc", "resnet18", "resnet"])
def test_what_the_config_accepts_is_in_the_network(architecture):
    import densenet_sweep

    overrides = [f"architecture={architecture}", "data=cifar10"]
    accepted = _parts(composition.typed(composition.compose(overrides)).architecture)
    network = densenet_sweep.build(overrides)
    for name in accepted:
        assert parts.frozen(network, name)
