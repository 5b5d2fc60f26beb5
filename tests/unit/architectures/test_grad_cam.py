"""Heat maps of networks whose right maps are known."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.architectures.grad_cam import grad_cam
from densenet_sweep.architectures.resnet import resnet18


def networks() -> list[nn.Module]:
    torch.manual_seed(0)
    made = [densenet(in_channels=1, num_classes=3, growth_rate=4, depth=10), resnet18(in_channels=1, num_classes=3)]
    for network in made:
        network.train()(torch.randn(8, 1, 32, 32))
    return made


@pytest.mark.parametrize("network", networks(), ids=["ours", "torchvision's"])
def test_it_is_the_class_activation_map_of_a_network_with_a_linear_head(network):
    images_BCHW, classes_B = torch.randn(2, 1, 32, 32), torch.tensor([2, 0])
    network.requires_grad_(False)  # as after finetune.freeze
    found_BHW = grad_cam(network, images_BCHW, classes_B)
    assert network.training
    network.eval()
    if hasattr(network, "features"):
        maps_BCHW, head = functional.relu(network.features(images_BCHW)), network.classifier
    else:
        body = nn.Sequential(*[it for name, it in network.named_children() if name not in ("avgpool", "fc")])
        maps_BCHW, head = body(images_BCHW), network.fc
    cam_BHW = functional.relu(torch.einsum("bchw,bc->bhw", maps_BCHW, head.weight[classes_B]))
    expected_BHW = functional.interpolate(cam_BHW[:, None], (32, 32), mode="bilinear", align_corners=False)[:, 0]
    expected_BHW /= expected_BHW.amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found_BHW, expected_BHW, atol=1e-4, rtol=1e-4)
    assert found_BHW.amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])


def test_what_speaks_for_no_class_is_cold_and_a_network_without_maps_is_refused():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    nn.init.ones_(network[0].weight)
    network[4].weight.data = torch.tensor([[1.0], [-1.0]])
    image_BCHW = torch.zeros(1, 1, 4, 4)
    image_BCHW[..., 1, 2] = 1
    assert grad_cam(network, image_BCHW, torch.tensor([0])).flatten().nonzero().tolist() == [[6]]
    assert not grad_cam(network, image_BCHW, torch.tensor([1])).any()
    with pytest.raises(ValueError, match="no feature maps"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), image_BCHW, torch.tensor([0]))
