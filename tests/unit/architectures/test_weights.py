"""Weights in each real format give the logits of the network that they come from."""

import re

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.densenet import DenseNet

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.architectures.resnet import resnet18
from densenet_sweep.architectures.weights import matched

SIZE = {"growth_rate": 4, "block_config": (2, 3, 2, 2), "num_init_features": 8}


def ours(in_channels: int = 3, num_classes: int = 7, **changes) -> nn.Module:
    torch.manual_seed(5)
    arguments = {**SIZE, "bn_size": 4, "compression": 0.5, "stem": "imagenet", **changes}
    return densenet(in_channels=in_channels, num_classes=num_classes, **arguments)


def randomized(network: nn.Module) -> nn.Module:
    """Give every tensor values unlike a fresh network's, so that one in the wrong place shows."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            values = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(values + 0.5 if name.endswith("running_var") else values - 0.5)
    return network.eval()


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return randomized(DenseNet(**SIZE, num_classes=7))


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def as_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename as in the files that torchvision publishes, written before it had `num_batches_tracked`."""
    names = {name: re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name) for name in state}
    return {names[name]: tensor for name, tensor in state.items() if "num_batches" not in name}


def as_monai(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename as `monai.networks.nets.DenseNet121` (1.6) names its own."""
    names = {name: re.sub(r"(denselayer\d+)\.", r"\1.layers.", name) for name in state}
    return {names[name].replace("classifier.", "class_layers.out."): tensor for name, tensor in state.items()}


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


# timm's densenet121 has today's names of torchvision.
FORMATS = {
    "torchvision's and timm's names": dict,
    "torchvision's published files": as_published,
    "MONAI's": as_monai,
    "DataParallel's": lambda state: prefixed("module.", state),
    "Lightning's": lambda state: {**prefixed("model.", state), "criterion.weight": torch.ones(7)},
    "CheXNet's": lambda state: {
        f"module.densenet121.{name.replace('classifier.', 'classifier.0.')}": tensor
        for name, tensor in as_published(state).items()
    },
    "half precision": lambda state: {name: tensor.half() for name, tensor in state.items()},
}


@pytest.mark.parametrize("form", FORMATS)
def test_the_logits_are_those_of_the_network_that_the_weights_come_from(form, theirs, images):
    network = ours()
    found = matched(network, FORMATS[form](theirs.state_dict()))
    assert found.drawn == found.summed == ()
    assert found.dropped == (("criterion.weight",) if form == "Lightning's" else ())
    network.load_state_dict(dict(found.tensors), strict=False)
    expected = theirs
    if form == "half precision":
        expected = DenseNet(**SIZE, num_classes=7).eval()
        expected.load_state_dict(FORMATS[form](theirs.state_dict()))
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), expected(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_resnets_weights(prefix):
    theirs = randomized(torchvision.models.resnet18(num_classes=4))
    network = resnet18(in_channels=3, num_classes=4, stem="imagenet")
    network.load_state_dict(dict(matched(network, prefixed(prefix, theirs.state_dict())).tensors), strict=True)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), theirs(images))


def test_a_head_of_another_size_keeps_what_was_drawn(theirs):
    network = ours(num_classes=3)
    drawn = network.classifier.weight.clone()
    found = matched(network, as_monai(theirs.state_dict()))
    assert found.drawn == ("classifier.weight", "classifier.bias")
    assert found.dropped == ("class_layers.out.weight", "class_layers.out.bias")
    network.load_state_dict(dict(found.tensors), strict=False)
    assert torch.equal(network.classifier.weight, drawn)
    assert torch.equal(network.features.conv0.weight, theirs.features.conv0.weight)


def test_a_head_that_is_not_there_keeps_what_was_drawn(theirs):
    features = {name: tensor for name, tensor in theirs.state_dict().items() if not name.startswith("classifier")}
    found = matched(ours(), features)
    assert (found.drawn, found.dropped) == (("classifier.weight", "classifier.bias"), ())


def test_grey_pictures_give_what_they_would_as_colours(theirs, images):
    network = ours(in_channels=1)
    found = matched(network, theirs.state_dict())
    assert found.summed == ("features.conv0.weight",)
    network.load_state_dict(dict(found.tensors), strict=False)
    grey = images[:, :1]
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(grey), theirs(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)


def test_a_network_without_memory_is_enough_to_refuse(theirs):
    with torch.device("meta"):
        network = ours(num_classes=1)
    assert matched(network, theirs.state_dict()).drawn == ("classifier.weight", "classifier.bias")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"growth_rate": 8},
            "features.denseblock1.denselayer1.conv1.weight is 16x8x1x1 there and 32x8x1x1 in the network, "
            "features.denseblock1.denselayer1.norm2.weight is 16 there and 32 in the network, ",
        ),
        ({"block_config": (2, 4, 2, 2)}, "features.denseblock2.denselayer4.norm1.weight is not among them, "),
        (
            {"stem": "small"},
            "features.conv0.weight is 8x3x7x7 there and 8x3x3x3 in the network, features.norm0.weight is not in",
        ),
        (
            {"conv_bias": True},
            "features.conv0.bias is not among them, features.denseblock1.denselayer1.conv1.bias is not among",
        ),
        ({"in_channels": 5}, "features.conv0.weight is 8x3x7x7 there and 8x5x7x7 in the network"),
    ],
)
def test_weights_of_another_family_are_refused_with_the_first_mismatches(changes, message, theirs):
    with pytest.raises(ValueError, match=r"^weights of another network: ") as refused:
        matched(ours(**changes), theirs.state_dict())
    assert message in str(refused.value)
    assert str(refused.value).endswith("; they are of architecture.block_config=[2,3,2,2] architecture.growth_rate=4")


def test_biases_are_not_left_out_in_silence():
    with pytest.raises(ValueError, match=r"network: features\.conv0\.bias is not in the network, .* and \d+ others; they are"):
        matched(ours(), ours(conv_bias=True).state_dict())


def test_weights_of_another_kind_of_network():
    with pytest.raises(ValueError, match=r"features\.conv0\.weight is not among them, .*, and \d+ others$"):
        matched(ours(), torchvision.models.resnet18().state_dict())
