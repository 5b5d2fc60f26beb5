import pytest
import torch
from torch import nn

from densenet_sweep.training import compilation
from densenet_sweep.training.compilation import Compiled

CPU = torch.device("cpu")


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
    compiled = Compiled(net, 8, num_steps=100, say=print)
    assert len(list(compiled.parameters())) == len(list(net.parameters()))
    for size, is_training in ((8, True), (8, True), (3, True), (8, False), (64, False), (8, True), (8, True)):
        assert compiled.train(is_training)(torch.randn(size, 1, 4, 4)).shape == (size, 3)
        assert net.training is is_training
    assert not graphs  # the first full batches are timed
    for _ in range(3):
        compiled.train()(torch.randn(8, 1, 4, 4))
    assert len(graphs) == 1


def test_each_of_many_networks_in_a_process_is_compiled(graphs):
    for _ in range(12):
        compiled = Compiled(network(), 8, num_steps=100, say=print)
        for _ in range(5):
            compiled(torch.randn(8, 1, 4, 4))
    assert len(graphs) == 12


@pytest.mark.parametrize(
    ("eager", "compiled", "num_steps", "said"),
    [
        (0.5, 0.25, 1000, "took 10.0 s; a step takes 0.25 s instead of 0.5 s, so it pays here: after 40 of 1,000 steps"),
        (0.5, 0.25, 30, "so it does not pay here: after 40 of 30 steps"),
        (0.5, 0.75, 30, "a step takes 0.75 s instead of 0.5 s, so it does not pay"),
    ],
)
def test_what_it_cost_and_gave_is_said_once(monkeypatch, eager, compiled, num_steps, said):
    sentences = []
    now = 0.0
    monkeypatch.setattr(compilation.time, "perf_counter", lambda: now)
    account = compilation._Account(num_steps, sentences.append)
    was_compiled = []
    for nth in range(20):
        is_compiled = account.step_begins(CPU)
        # The first step of all warms up, and the first compiled one compiles.
        now += (
            3.0
            if nth == 0
            else 10.0 + compiled
            if is_compiled and True not in was_compiled
            else compiled
            if is_compiled
            else eager
        )
        was_compiled.append(is_compiled)
    assert was_compiled == [False] * 4 + [True] * 16
    assert len(sentences) == 1
    assert sentences[0].endswith(said)


@pytest.mark.parametrize("steps_between", [1, 3, 5])
def test_a_validation_between_two_steps_is_not_counted(steps_between, monkeypatch):
    sentences = []
    now = 0.0
    monkeypatch.setattr(compilation.time, "perf_counter", lambda: now)
    account = compilation._Account(100, sentences.append)
    for nth in range(20):
        is_compiled = account.step_begins(CPU)
        now += 30.0 if nth == 4 else 1.0 if is_compiled else 2.0  # the fifth is compiled
        if nth % steps_between == 0:
            for _ in range(2):
                assert not account.other_begins(CPU)
                now += 1000.0
    [said] = sentences
    assert "compile=true took 29.0 s; a step takes 1 s instead of 2 s" in said


@pytest.mark.usefixtures("graphs")
def test_what_cannot_be_one_graph_is_an_error():
    class Peeking(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images * images.sum().item() if images.sum().item() > 0 else images

    compiled = Compiled(Peeking(), 2, num_steps=100, say=print)
    for _ in range(4):
        compiled(torch.ones(2, 1, 2, 2))
    with pytest.raises(Exception, match=r"data-dependent|Tensor\.item|graph"):
        compiled(torch.ones(2, 1, 2, 2))
