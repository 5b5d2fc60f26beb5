"""What is computed of a network without building it, against the network."""

import pytest

from densenet_sweep.architectures.description import describe
from densenet_sweep.config import capacity, composition
from densenet_sweep.run.train import build_network

CASES = [
    ["architecture=d2l", "data.image_size=32"],
    ["architecture=d2l", "data.image_size=45", "architecture.memory_efficient=true"],
    ["architecture=densenet"],
    ["architecture=densenet", "architecture.memory_efficient=true", "data=cifar10"],
    ["architecture=densenet_bc"],
    ["architecture=densenet_bc", "architecture.memory_efficient=true", "architecture.conv_bias=true"],
    ["architecture=densenet_bc100_k12", "architecture.compression=0.7", "data=digits"],
    ["architecture=densenet121", "data=cifar100", "data.image_size=64", "architecture.conv_bias=true"],
    ["architecture=resnet", "data.image_size=33"],
    ["architecture=resnet", "architecture.depth=8", "architecture.width=5", "architecture.shortcut=B", "data=cifar10"],
    ["architecture=resnet", "architecture.depth=14", "architecture.pre_activation=true"],
    ["architecture=resnet", "architecture.pre_activation=true", "architecture.shortcut=B"],
    ["architecture=resnet18", "data.image_size=33"],
    ["architecture=resnet18", "data=cifar10", "architecture.stem=imagenet", "data.image_size=64"],
]


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_weights_are_counted_exactly_and_activations_nearly(overrides):
    config = composition.typed(composition.compose(overrides))
    computed = capacity.network_size(config.architecture, config.data)
    measured = describe(build_network(config), image_size=config.data.image_size, batch_size=1)
    assert computed.num_parameters == measured.num_parameters
    assert 0.95 * measured.activation_bytes <= 4 * computed.num_activations <= measured.activation_bytes
