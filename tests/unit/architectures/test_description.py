import json

import pytest
import torch
from torch import nn

import densenet_sweep
from densenet_sweep.architectures.description import describe, render


@pytest.mark.parametrize(
    ("overrides", "image_size", "gigamacs"),
    [
        (["architecture=d2l", "data.image_size=96"], 96, 0.1291),
        (["architecture=d2l", "data.image_size=32"], 32, 0.0143),
        (["architecture=densenet121", "data=cifar10", "data.image_size=224", "architecture.num_classes=1000"], 224, 2.834),
        (["architecture=densenet169", "data=cifar10", "data.image_size=224", "architecture.num_classes=1000"], 224, 3.36),
        (["architecture=densenet201", "data=cifar10", "data.image_size=224", "architecture.num_classes=1000"], 224, 4.291),
        (["architecture=densenet161", "data=cifar10", "data.image_size=224", "architecture.num_classes=1000"], 224, 7.728),
    ],
)
def test_published_multiply_accumulates(overrides, image_size, gigamacs):
    found = describe(densenet_sweep.build(overrides), image_size=image_size, batch_size=1)
    assert found.num_macs / 1e9 == pytest.approx(gigamacs, rel=4e-3)


def test_stages_add_up_and_shrink_as_they_should():
    found = describe(densenet_sweep.build(["architecture=densenet_bc"]), image_size=28, batch_size=64)
    assert sum(stage.num_parameters for stage in found.stages) == found.num_parameters == 71_254
    assert sum(stage.num_macs for stage in found.stages) == found.num_macs
    shapes = {stage.name: stage.shape for stage in found.stages}
    assert shapes["conv0"] == (24, 28, 28)
    assert shapes["denseblock1"] == (60, 28, 28)
    assert shapes["transition1"] == (30, 14, 14)
    assert shapes["denseblock3"][1:] == (7, 7)
    assert shapes["classifier"] == (10,)


def test_activation_memory_is_what_autograd_keeps():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 3))
    found = describe(network, image_size=8, batch_size=10)
    # The image for the convolution's weight, and the ReLU's output for ReLU and linear layer alike.
    assert found.activation_bytes == 10 * 4 * (64 + 4 * 64)
    doubled = describe(network, image_size=8, batch_size=20)
    assert doubled.activation_bytes == 2 * found.activation_bytes


def test_describing_changes_nothing():
    network = densenet_sweep.build([]).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    describe(network, image_size=28, batch_size=4)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_text_shows_the_totals_and_json_has_plain_values():
    found = describe(densenet_sweep.build([]), image_size=28, batch_size=4)
    assert "71,254" in render(found)
    assert json.loads(json.dumps(found.as_dict()))["num_parameters"] == 71_254


def test_the_command_prints_one_json_object(command):
    typed = command("describe", "architecture=densenet_bc100_k12", "--json")
    printed = json.loads(typed.out)
    assert printed["num_parameters"] == 768_730
    assert printed["num_macs"] > 0
    assert printed["stages"][0]["name"] == "conv0"


def test_the_command_refuses_what_a_run_would(command):
    typed = command("describe", "architecture.depth=41")
    assert typed.exit_code == 1
    assert "architecture.depth=41" in typed.err


def test_unknown_classes_are_asked_for(command):
    typed = command("describe", "data=image_folder")
    assert typed.exit_code == 1
    assert "give architecture.num_classes=N" in typed.err
    assert command("describe", "data=image_folder", "architecture.num_classes=7").exit_code == 0
