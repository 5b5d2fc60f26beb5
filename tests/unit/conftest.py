"""Networks of each kind, as the other packages use them."""

import pytest
import torch

import densenet_sweep
from densenet_sweep.models.classifier import Classifier, Signature

NETWORKS = {
    "seed's": ["architecture=d2l", "architecture.growth_rate=4", "data=fashion_mnist", "data.image_size=32"],
    "BC": ["architecture.depth=10", "architecture.growth_rate=4", "data=digits"],
    "torchvision's": ["architecture=densenet121", "architecture.block_config=[1,1,1,1]", "data=cifar10"],
}


def made(overrides: list[str], image_size: int, num_channels: int) -> Classifier:
    network = densenet_sweep.build(overrides)
    # Statistics unlike a fresh network's, so that evaluation and training mode differ.
    network.train()(torch.randn(8, num_channels, image_size, image_size))
    torch.nn.init.normal_(network.classifier.weight)
    mean_C, std_C = torch.full((num_channels,), 0.3), torch.full((num_channels,), 0.4)
    signature = Signature(num_channels, image_size, tuple(f"class {index}" for index in range(10)))
    return Classifier(network, signature=signature, mean_C=mean_C, std_C=std_C)


@pytest.fixture(scope="session", params=NETWORKS)
def classifier(request: pytest.FixtureRequest) -> Classifier:
    size, channels = {"seed's": (32, 1), "BC": (8, 1), "torchvision's": (32, 3)}[request.param]
    return made(NETWORKS[request.param], size, channels)
