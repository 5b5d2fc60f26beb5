import math
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from densenet_sweep.training import losses as training_losses
from densenet_sweep.training import malloc, optimizers, schedules
from densenet_sweep.training.ema import WeightAverage
from densenet_sweep.training.evaluation import evaluate
from densenet_sweep.training.fit import DivergedError, Epoch, fit

NUM_BATCHES = 4


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, 3)
    )


def train_batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(NUM_BATCHES):
        labels_B = torch.randint(0, 3, (8,), generator=generator)
        yield torch.randn(8, 1, 4, 4, generator=generator) + labels_B.view(-1, 1, 1, 1), labels_B


def valid_batches() -> Iterator[tuple[Tensor, Tensor]]:
    return train_batches(10_000)


def sgd(net: nn.Module, lr: float = 0.1) -> torch.optim.Optimizer:
    return optimizers.sgd(net, lr=lr, weight_decay=1e-4, decay_norm_and_bias=True, momentum=0.9, nesterov=True)


def run(net: nn.Module, optimizer: torch.optim.Optimizer, **changes) -> Iterator[Epoch]:
    arguments = {
        "train_batches": train_batches,
        "valid_batches": valid_batches,
        "num_batches": NUM_BATCHES,
        "epochs": 4,
        "seed": 3,
    }
    schedule = changes.pop("schedule", schedules.cosine(warmup=0.25, final_factor=0.0))
    return fit(net, optimizer, schedule, **{**arguments, **changes})


def losses(epochs: Iterator[Epoch]) -> list[tuple[float, float, float]]:
    return [(epoch.train_loss, epoch.validation.loss, epoch.lr) for epoch in epochs]


def test_a_budget_of_seconds_ends_an_epoch_and_leads_the_schedule(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("densenet_sweep.training.fit.time.perf_counter", lambda: clock[0])
    requested: list[float] = []

    def ticking(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in train_batches(epoch):
            yield batch
            clock[0] += 1.0

    def epochs(**changes) -> list[Epoch]:
        requested.clear()
        net = network()
        schedule = lambda progress: requested.append(progress) or 1.0  # noqa: E731
        return list(run(net, sgd(net), schedule=schedule, train_batches=ticking, max_seconds=6.0, **changes))

    assert [(epoch.index, epoch.is_last, epoch.seconds) for epoch in epochs(epochs=100)] == [(0, False, 4), (1, True, 2)]
    assert requested == [pytest.approx(second / 6) for second in range(6)]
    assert [epoch.is_last for epoch in epochs(epochs=1)] == [True]  # where the epochs are over before
    assert requested == [0.0, 0.25, 0.5, 0.75]
    assert [epoch.index for epoch in epochs(epochs=100, first_epoch=1, seconds_before=4.0)] == [1]
    assert requested == [pytest.approx(4 / 6), pytest.approx(5 / 6)]
    assert epochs(epochs=100, first_epoch=2, seconds_before=6.0) == []


def test_it_learns():
    net = network()
    epochs = list(run(net, sgd(net), epochs=12))
    assert [epoch.index for epoch in epochs] == list(range(12))
    assert epochs[-1].validation.accuracy > 0.8 > epochs[0].train_accuracy
    assert epochs[-1].train_loss < epochs[0].train_loss


def test_the_average_is_validated_in_place_of_the_network():
    net, plain = network(), network()
    average = WeightAverage(net, 0.9)
    averaged = next(run(net, sgd(net), average=average, evaluated=average.network)).validation
    expected = next(run(plain, sgd(plain))).validation
    assert torch.equal(net[5].weight, plain[5].weight)  # training is the same
    assert torch.equal(averaged.logits_NK, evaluate(average.network, valid_batches(), dtype=torch.float32).logits_NK)
    assert not torch.equal(averaged.logits_NK, expected.logits_NK)


def test_of_a_mixed_image_the_class_of_the_larger_share_is_right():
    def mixed_batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for images_BCHW, labels_B in train_batches(epoch):
            yield images_BCHW, 0.6 * functional.one_hot(labels_B, 3) + 0.4 * functional.one_hot((labels_B + 1) % 3, 3)

    whole, mixed = (
        next(run(net := network(), sgd(net, lr=1e-9), epochs=1, train_batches=it)) for it in (train_batches, mixed_batches)
    )
    assert mixed.train_accuracy == whole.train_accuracy
    assert mixed.train_loss != whole.train_loss


def test_same_seed_same_numbers_and_another_seed_other_dropout():
    first, second, third = network(), network(), network()
    one, two = losses(run(first, sgd(first))), losses(run(second, sgd(second)))
    assert one == two
    assert losses(run(third, sgd(third), seed=4)) != one


@pytest.mark.parametrize("stop", [1, 3])
def test_continued_from_a_yield_the_numbers_are_bitwise_those_of_an_uninterrupted_run(stop):
    whole = network()
    expected = losses(run(whole, sgd(whole)))

    begun = network()
    optimizer = sgd(begun)
    epochs = run(begun, optimizer)
    before = losses(next(epochs) for _ in range(stop))
    state, momenta = begun.state_dict(), optimizer.state_dict()

    torch.manual_seed(987)  # whatever the process did meanwhile
    continued = network()
    continued.load_state_dict(state)
    optimizer = sgd(continued)
    optimizer.load_state_dict(momenta)
    after = losses(run(continued, optimizer, first_epoch=stop))
    assert before + after == expected
    assert all(torch.equal(mine, other) for mine, other in zip(continued.parameters(), whole.parameters(), strict=True))


def test_the_learning_rate_follows_the_schedule_step_by_step():
    net = network()
    requested: list[float] = []
    schedule = schedules.linear(warmup=0.0, final_factor=0.0)

    def recording(progress: float) -> float:
        requested.append(progress)
        return schedule(progress)

    epochs = list(run(net, sgd(net, lr=0.2), schedule=recording, epochs=2))
    assert requested == [step / 8 for step in range(8)]
    assert [epoch.lr for epoch in epochs] == pytest.approx([0.2 * 5 / 8, 0.2 * 1 / 8])


def test_metrics_are_means_over_images_of_unequal_batches():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    pairs = [batch for index in range(2) for batch in train_batches(index)]
    pairs[-1] = (pairs[-1][0][:2], pairs[-1][1][:2])
    frozen = torch.optim.SGD(net.parameters(), lr=0.0)
    [epoch] = run(net, frozen, epochs=1, train_batches=lambda _: pairs, num_batches=len(pairs))
    images, labels = torch.cat([images for images, _ in pairs]), torch.cat([labels for _, labels in pairs])
    assert epoch.train_loss == pytest.approx(nn.functional.cross_entropy(net(images), labels).item(), rel=1e-5)
    assert epoch.train_accuracy == pytest.approx((net(images).argmax(1) == labels).float().mean().item())


def test_label_smoothing_raises_the_loss_of_confident_predictions():
    plain, smoothed = network(), network()
    [one] = run(plain, torch.optim.SGD(plain.parameters(), lr=0.0), epochs=1)
    [two] = run(
        smoothed,
        torch.optim.SGD(smoothed.parameters(), lr=0.0),
        epochs=1,
        loss=training_losses.cross_entropy(label_smoothing=0.3),
    )
    assert one.train_loss != two.train_loss
    assert one.validation.loss == two.validation.loss  # validation is of the true labels


def test_clipping_bounds_the_step():
    net = network()
    before = torch.cat([parameter.detach().flatten().clone() for parameter in net.parameters()])
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    list(run(net, optimizer, epochs=1, max_grad_norm=1e-3, schedule=schedules.constant()))
    after = torch.cat([parameter.detach().flatten() for parameter in net.parameters()])
    assert 0 < (after - before).norm().item() <= NUM_BATCHES * 1e-3 * 1.001


@pytest.mark.parametrize("lr", [math.inf, 1e30])
def test_divergence_ends_the_run_with_its_reason(lr):
    net = network()
    with pytest.raises(DivergedError, match=r"^training diverged: the loss is (nan|inf) in epoch \d, step \d; a lower"):
        list(run(net, sgd(net, lr=lr), schedule=schedules.constant()))


def test_bf16_stays_near_fp32():
    full, half = network(), network()
    one, two = losses(run(full, sgd(full))), losses(run(half, sgd(half), dtype=torch.bfloat16))
    assert one != two
    assert [epoch[0] for epoch in one] == pytest.approx([epoch[0] for epoch in two], rel=0.05)


class Reads(TorchDispatchMode):
    """Counts what makes the host wait for a GPU: numbers that are read, and counts whose size depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.bincount.default):
            self.count += 1
        return function(*args, **(kwargs or {}))


def test_no_step_and_no_batch_makes_the_host_wait(monkeypatch):
    monkeypatch.setattr("densenet_sweep.training.fit._STEPS_BETWEEN_CHECKS_ON_CPU", 10**6)
    counts = []
    for num_batches in (2, 12):
        pairs = list(train_batches(0))[:1] * num_batches
        net = network()
        with Reads() as reads:
            batches = {"train_batches": lambda _, pairs=pairs: pairs, "valid_batches": lambda pairs=pairs: pairs}
            list(run(net, sgd(net), epochs=1, num_batches=num_batches, max_grad_norm=1.0, **batches))
        counts.append(reads.count)
    assert counts[0] == counts[1] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not measured")
def test_the_peak_of_memory_leaves_out_what_was_used_before():
    large = torch.ones(2**28, dtype=torch.uint8)
    before = malloc.peak_bytes()
    del large
    net = network()
    peaks = [epoch.peak_memory_bytes for epoch in run(net, sgd(net), epochs=2)]
    assert max(peaks) < before - 2**27


def test_where_it_cannot_be_measured_there_is_no_peak_of_memory(monkeypatch):
    monkeypatch.setattr(malloc, "reset_peak", lambda: False)
    net = network()
    assert [epoch.peak_memory_bytes for epoch in run(net, sgd(net), epochs=2)] == [None, None]
