"""The ResNets for small images: published sizes, and what each block computes."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from densenet_sweep.architectures.cifar_resnet import Block, resnet
from densenet_sweep.architectures.description import describe
from densenet_sweep.architectures.grad_cam import grad_cam

IMAGES_BCHW = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


# He et al., 2015, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million; exactly as in the implementations that reproduce them.
@pytest.mark.parametrize(("depth", "expected"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)])
def test_parameters_as_published(depth, expected):
    networks = [resnet(in_channels=3, num_classes=10, depth=depth, pre_activation=it) for it in (False, True)]
    assert [sum(it.numel() for it in network.parameters()) for network in networks] == [expected, expected]


def test_multiply_accumulates_as_published():
    # 40.8 M of ResNet-20 at 32 px, as others count it; by hand: the stem, 3 x 6 convolutions of 2.36 M but for the strided two.
    counted = describe(resnet(in_channels=3, num_classes=10, depth=20), image_size=32, batch_size=1)
    full = 16 * 16 * 9 * 32 * 32
    assert counted.num_macs == 3 * 16 * 9 * 32 * 32 + 6 * full + 2 * (full // 2 + 5 * full) + 640 == 40_551_040
    assert [stage.shape for stage in counted.stages if stage.name.startswith("layer")] == [
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]


def test_option_b_has_two_projections_and_their_norms():
    plain, projected = (
        sum(it.numel() for it in resnet(in_channels=3, num_classes=10, depth=20, shortcut=option).parameters())
        for option in "AB"
    )
    assert projected - plain == 16 * 32 + 32 * 64 + 2 * (32 + 64)


def test_option_a_keeps_every_second_pixel_and_adds_zeros():
    block = Block(3, 5, stride=2, shortcut="A", pre_activation=False, is_first=False).eval()
    nn.init.zeros_(block.conv2.weight)
    expected_BCHW = torch.cat((IMAGES_BCHW[:, :, ::2, ::2].relu(), torch.zeros(2, 2, 5, 5)), dim=1)
    torch.testing.assert_close(block(IMAGES_BCHW), expected_BCHW)


def test_a_pre_activated_block_adds_to_its_input_untouched():
    """Equation 1 of He et al., 2016: x + F(x), where F begins with BatchNorm and ReLU; nothing follows the sum."""
    block = Block(3, 3, stride=1, shortcut="A", pre_activation=True, is_first=False).train()
    norm = functional.batch_norm(IMAGES_BCHW, None, None, training=True).relu()
    inner = functional.batch_norm(block.conv1(norm), None, None, training=True).relu()
    torch.testing.assert_close(block(IMAGES_BCHW), IMAGES_BCHW + block.conv2(inner))
    first = Block(3, 3, stride=1, shortcut="A", pre_activation=True, is_first=True).train()
    first.load_state_dict(block.state_dict())
    torch.testing.assert_close(first(IMAGES_BCHW), norm + block.conv2(inner))


@pytest.mark.parametrize("pre_activation", [False, True])
def test_grad_cam_is_the_class_activation_map(pre_activation):
    torch.manual_seed(0)
    network = resnet(in_channels=3, num_classes=3, depth=8, width=4, pre_activation=pre_activation)
    network.train()(torch.randn(8, 3, 9, 9))
    found_BHW = grad_cam(network, IMAGES_BCHW, torch.tensor([2, 0]))
    maps: list[torch.Tensor] = []
    network.eval().fc.register_forward_pre_hook(lambda _, given: maps.append(given[0]))
    before_pool = network.bn2 if pre_activation else network.layer3
    before_pool.register_forward_hook(lambda _m, _i, output: maps.append(output))
    network(IMAGES_BCHW)
    maps_BCHW, pooled_BC = maps
    torch.testing.assert_close(maps_BCHW.mean(dim=(2, 3)), pooled_BC)
    cam_BHW = torch.einsum("bchw,bc->bhw", maps_BCHW, network.fc.weight[[2, 0]]).relu()
    expected_BHW = functional.interpolate(cam_BHW[:, None], (9, 9), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(found_BHW, expected_BHW / expected_BHW.amax(dim=(1, 2), keepdim=True))


@pytest.mark.parametrize(
    ("depth", "suggested"), [(21, "20 or 26"), (2, "8 or 14"), (0, "8 or 14"), (-4, "8 or 14"), (22, "20 or 26")]
)
def test_other_depths_are_refused(depth, suggested):
    with pytest.raises(ValueError, match=rf"^architecture\.depth={depth}: a depth of 6n\+2 is accepted, such as {suggested}$"):
        resnet(in_channels=1, num_classes=2, depth=depth)


def test_an_unknown_shortcut_is_refused():
    with pytest.raises(ValueError, match=r"architecture\.shortcut=C: one of A, B is accepted"):
        resnet(in_channels=1, num_classes=2, depth=8, shortcut="C")
