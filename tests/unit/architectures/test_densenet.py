import gc
import weakref

import pytest
import torch
import torchvision
from torch import nn

import densenet_sweep
from densenet_sweep.architectures import recomputation
from densenet_sweep.architectures.densenet import DenseBlock, Transition, densenet

# Huang et al., CVPR 2017, and arithmetic: (overrides, exact number of parameters).
COUNTS = {
    "the seed's": (["architecture=d2l", "data=fashion_mnist", "data.image_size=96"], 758_226),
    "k12 L40, the paper's": (["architecture=densenet40_k12", "data=cifar10"], 1_019_722),
    "k12 L40, init 2k": (
        ["architecture=densenet", "data=cifar10", "architecture.num_init_features=24"],
        1_059_298,
    ),
    "k12 L40, init 2k, compression 0.5": (
        ["architecture=densenet", "data=cifar10", "architecture.num_init_features=24", "architecture.compression=0.5"],
        599_050,
    ),
    "k12 L100": (["architecture=densenet100_k12", "data=cifar10"], 6_979_642),
    "k24 L100": (["architecture=densenet100_k24", "data=cifar10"], 27_249_082),
    "BC k12 L100": (["architecture=densenet_bc100_k12", "data=cifar10"], 769_162),
    "BC k12 L100, one channel": (["architecture=densenet_bc100_k12"], 768_730),
    "BC k24 L250": (["architecture=densenet_bc250_k24", "data=cifar10"], 15_324_406),
    "BC k40 L190": (["architecture=densenet_bc190_k40", "data=cifar10"], 25_624_430),
    "BC k12 L22, one channel": (["architecture=densenet_bc", "architecture.depth=22"], 71_254),
    "BC k12 L40, one channel": (["architecture=densenet_bc", "architecture.depth=40"], 175_690),
    "BC k24 L40, one channel": (
        ["architecture=densenet_bc", "architecture.depth=40", "architecture.growth_rate=24"],
        689_482,
    ),
    "BC k48 L40, one channel": (["architecture=densenet_bc40_k48"], 2_731_402),
}


@pytest.mark.parametrize("name", COUNTS)
def test_published_parameter_counts(name):
    overrides, expected = COUNTS[name]
    assert sum(parameter.numel() for parameter in densenet_sweep.build(overrides).parameters()) == expected


def test_the_seeds_block_and_transition():
    block = DenseBlock(2, 3, 10, conv_bias=True)
    images = block(torch.randn(4, 3, 8, 8))
    assert images.shape == (4, 23, 8, 8)
    assert Transition(23, 10, conv_bias=True)(images).shape == (4, 10, 4, 4)


def test_a_block_passes_its_input_and_every_layers_output_on():
    block = DenseBlock(3, 2, 4).eval()
    images = torch.randn(1, 2, 5, 5)
    output = block(images)
    assert torch.equal(output[:, :2], images)
    first = block["denselayer1"](images)
    assert torch.equal(output[:, 2:6], first)
    assert torch.equal(output[:, 6:10], block["denselayer2"](output[:, :6]))


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 64, 64, generator=generator), torch.tensor([3, 999])


@pytest.mark.parametrize("name", ["densenet121", "densenet169", "densenet201", "densenet161"])
def test_torchvisions_weights_load_and_everything_agrees(name, batch):
    torch.manual_seed(1)
    theirs = getattr(torchvision.models, name)(weights=None)
    overrides = [f"architecture={name}", "data=cifar10", "data.image_size=64", "architecture.num_classes=1000"]
    ours = densenet_sweep.build(overrides)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    images, labels = batch
    for network in (ours, theirs):
        network.train()
        network.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
    for (key, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")
    for (key, mine), other in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6, msg=lambda text, key=key: f"{key}: {text}")
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bn_size", [None, 2])
@pytest.mark.parametrize("drop_rate", [0.0, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_efficient_is_the_plain_path_to_the_bit(bn_size, drop_rate, dtype):
    def trained(memory_efficient: bool) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        torch.manual_seed(0)
        network = densenet(
            in_channels=2,
            num_classes=3,
            growth_rate=4,
            block_config=[3, 2],
            bn_size=bn_size,
            compression=0.5,
            drop_rate=drop_rate,
            memory_efficient=memory_efficient,
        ).to(memory_format=torch.channels_last if dtype is torch.bfloat16 else torch.contiguous_format)
        torch.manual_seed(1)
        for _ in range(2):
            network.zero_grad()
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is torch.bfloat16):
                logits = network(torch.randn(5, 2, 8, 8))
            logits.float().square().sum().backward()
        return [parameter.grad for parameter in network.parameters()], list(network.buffers()), logits

    plain, efficient = trained(False), trained(True)
    assert torch.equal(plain[2], efficient[2])
    assert all(torch.equal(mine, other) for mine, other in zip(plain[0], efficient[0], strict=True))
    assert all(torch.equal(mine, other) for mine, other in zip(plain[1], efficient[1], strict=True))


def test_growing_by_concatenation_is_a_list_of_maps_to_the_bit():
    torch.manual_seed(0)
    block = DenseBlock(5, 3, 4, bn_size=2)
    images = torch.randn(4, 3, 6, 6, requires_grad=True)

    def listed(images: torch.Tensor) -> torch.Tensor:
        maps = [images]
        for layer in block.values():
            maps.append(layer(torch.cat(maps, dim=1)))
        return torch.cat(maps, dim=1)

    weights = torch.randn(4, 23, 6, 6)
    gradients = []
    for forward in (block, listed):
        block.zero_grad()
        images.grad = None
        (forward(images) * weights).sum().backward()
        gradients.append([images.grad, *(parameter.grad for parameter in block.parameters())])
    assert all(torch.equal(mine, other) for mine, other in zip(*gradients, strict=True))


def test_memory_efficient_frees_what_it_kept_with_the_graph():
    block = DenseBlock(2, 2, 3, bn_size=2, memory_efficient=True)
    gc.disable()  # a cycle would be found by it, some time
    try:
        output = block(torch.randn(2, 2, 4, 4))
        kept = weakref.ref(output)
        output.sum().backward()
        del output
        assert kept() is None
        assert not [thing for thing in gc.get_objects() if type(thing) is recomputation._Maps]
    finally:
        gc.enable()


def test_memory_efficient_keeps_less():
    def kept(memory_efficient: bool) -> int:
        network = densenet(in_channels=1, num_classes=2, growth_rate=12, depth=40, bn_size=4, memory_efficient=memory_efficient)
        storages: dict[int, torch.UntypedStorage] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.randn(2, 1, 16, 16))
        return sum(storage.nbytes() for storage in storages.values())

    assert kept(True) < 0.35 * kept(False)


def test_dropout_follows_every_convolution_but_the_stems(monkeypatch):
    calls: list[float] = []
    original = nn.functional.dropout

    def counting(images, rate, training):
        calls.append(rate)
        return original(images, rate, training)

    monkeypatch.setattr("densenet_sweep.architectures.densenet.functional.dropout", counting)
    network = densenet(in_channels=1, num_classes=2, growth_rate=4, block_config=[2, 3], bn_size=4, drop_rate=0.2)
    network(torch.randn(2, 1, 8, 8))
    assert calls == [0.2] * (2 * (2 + 3) + 1)  # two a layer, one in the transition
    assert torch.equal(network.eval()(torch.ones(1, 1, 8, 8)), network.eval()(torch.ones(1, 1, 8, 8)))


@pytest.mark.parametrize(("name", "check"), [("he", "fan_out"), ("xavier", "uniform"), ("torch", "default")])
def test_initializations_are_torchs(name, check):
    torch.manual_seed(0)
    network = densenet(in_channels=3, num_classes=10, growth_rate=64, block_config=[2], bn_size=4, initialization=name)
    weight = network.features.denseblock1.denselayer2.conv2.weight.detach()
    fan_in, fan_out = weight[0].numel(), weight.shape[0] * 9
    if check == "fan_out":
        assert weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
        assert torch.all(network.classifier.bias == 0)
    else:
        bound = (6 / (fan_in + fan_out)) ** 0.5 if check == "uniform" else (1 / fan_in) ** 0.5
        assert weight.abs().max().item() == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize("arguments", [{"stem": "large"}, {"initialization": "zeros"}, {"depth": 40}])
def test_arguments_that_make_no_sense_are_refused(arguments):
    with pytest.raises(ValueError, match=r"architecture\.(stem|initialization|depth)="):
        densenet(**{"in_channels": 1, "num_classes": 2, "growth_rate": 4, "block_config": [2], **arguments})
