import pytest
import torch
from torch import nn

from densenet_sweep.run import first_epoch


def test_the_time_of_an_epoch_is_that_of_its_images(monkeypatch):
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    monkeypatch.setattr(first_epoch, "_timed", lambda step, _: [step() or 0.5, 0.25])  # the quickest counts
    num_threads = torch.get_num_threads()
    seconds = first_epoch.seconds(
        network,
        torch.optim.SGD(network.parameters(), lr=0.1),
        image_shape=(3, 2, 2),
        num_classes=3,
        batch_size=10,
        num_train=40,
        num_valid=20,
        device=torch.device("cpu"),
        dtype=torch.float32,
        num_workers=2,
    )
    assert seconds == pytest.approx(4 * 0.25 + 2 * 0.25)
    assert torch.get_num_threads() == num_threads


def test_each_timed_step_is_one_call():
    calls: list[int] = []
    times = list(first_epoch._timed(lambda: calls.append(1), torch.device("cpu")))
    assert len(times) == len(calls) - 1
    assert min(times) >= 0
