import pytest
import torch
from torch import nn

from densenet_sweep.training.compilation import Compiled


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that were captured; no compiler is needed."""
    found = []

    def backend(graph, _):
        found.append(graph)
        return graph.forward

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, **options: original(network, backend=backend, **options))
    yield found
    torch._dynamo.reset()


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3))


def test_full_training_batches_are_compiled_once_and_the_rest_is_eager(graphs):
    net = network()
    compiled = Compiled(net, 8)
    assert len(list(compiled.parameters())) == len(list(net.parameters()))
    for size, is_training in ((8, True), (8, True), (3, True), (8, False), (64, False), (8, True)):
        assert compiled.train(is_training)(torch.randn(size, 1, 4, 4)).shape == (size, 3)
        assert net.training is is_training
    assert len(graphs) == 1


def test_each_of_many_networks_in_a_process_is_compiled(graphs):
    for _ in range(12):
        Compiled(network(), 8)(torch.randn(8, 1, 4, 4))
    assert len(graphs) == 12


@pytest.mark.usefixtures("graphs")
def test_what_cannot_be_one_graph_is_an_error():
    class Peeking(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images * images.sum().item() if images.sum().item() > 0 else images

    with pytest.raises(Exception, match=r"data-dependent|Tensor\.item|graph"):
        Compiled(Peeking(), 2)(torch.ones(2, 1, 2, 2))
