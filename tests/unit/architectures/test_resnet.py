import pytest
import torch
import torchvision

from densenet_sweep.architectures.resnet import resnet18


def test_the_imagenet_stem_is_torchvisions_net():
    theirs = torchvision.models.resnet18(weights=None, num_classes=7)
    ours = resnet18(in_channels=3, num_classes=7, stem="imagenet")
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize("stem", ["small", "imagenet"])
def test_any_channels_and_classes(stem):
    network = resnet18(in_channels=1, num_classes=5, stem=stem).eval()
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 5)


def test_the_small_stem_keeps_the_size():
    network = resnet18(in_channels=1, num_classes=5, stem="small")
    assert network.maxpool(network.conv1(torch.randn(1, 1, 28, 28))).shape == (1, 64, 28, 28)


def test_an_unknown_stem_is_refused():
    with pytest.raises(ValueError, match=r"architecture\.stem=tiny: one of small, imagenet"):
        resnet18(in_channels=1, num_classes=5, stem="tiny")
