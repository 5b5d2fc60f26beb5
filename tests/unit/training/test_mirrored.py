import pytest
import torch
from torch import nn

from densenet_sweep.training.mirrored import Mirrored


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(12, 3))


def test_its_logits_are_the_mean_for_the_image_and_its_mirror_image():
    net = network().eval()
    left_BCHW, right_BCHW = torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 3, 4)
    left_BCHW[:, :, 1, 0] = right_BCHW[:, :, 1, 3] = 1.0
    logits_BK = Mirrored(net)(left_BCHW)
    torch.testing.assert_close(logits_BK, (net(left_BCHW) + net(right_BCHW)) / 2)
    torch.testing.assert_close(logits_BK, Mirrored(net)(right_BCHW))
    assert not torch.allclose(logits_BK, net(left_BCHW))


@pytest.mark.parametrize("training", [True, False])
def test_the_modes_of_the_network_and_of_its_frozen_parts_stay(training):
    net = network().train(training)
    net[0].eval()
    assert Mirrored(net).training is training
    assert [it.training for it in net.modules()] == [training, False, training, training]
