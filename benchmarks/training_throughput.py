"""Images per second of a training step of the seed's net: ours against the plain fp32 loop of its text.

    python benchmarks/training_throughput.py

Both sides train the same network on the same batches in turn in one process; the medians and their ratio are printed.
The data is random: a step's speed does not depend on it, and both sides hold it in memory.
"""

import argparse
import platform
import statistics
import time

import torch
from torch import Tensor, nn

import densenet_sweep
from densenet_sweep.training import optimizers, schedules
from densenet_sweep.training.fit import fit
from densenet_sweep.training.precision import place, resolve_device, resolve_dtype

SEED_NET = ["architecture=d2l", "data=fashion_mnist", "data.image_size=96"]
LEARNING_RATE = 0.05


def plain_images_per_second(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Train one pass over `batches` as the seed's text writes it: fp32, contiguous, `SGD(lr)`, loss read every step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    loss_function = nn.CrossEntropyLoss()
    network.train()
    start = time.perf_counter()
    for images_BCHW, labels_B in batches:
        optimizer.zero_grad()
        loss = loss_function(network(images_BCHW), labels_B)
        loss.backward()
        optimizer.step()
        loss.item()
    return sum(len(labels_B) for _, labels_B in batches) / (time.perf_counter() - start)


def our_images_per_second(network: nn.Module, batches: list[tuple[Tensor, Tensor]], device: torch.device) -> float:
    """Train one pass over `batches` with `fit` in the precision that `precision=auto` takes here."""
    optimizer = optimizers.sgd(
        network, lr=LEARNING_RATE, weight_decay=0.0, decay_norm_and_bias=True, momentum=0.0, nesterov=False
    )
    [epoch] = fit(
        network,
        optimizer,
        schedules.constant(),
        train_batches=lambda _: batches,
        valid_batches=lambda: batches[:1],
        num_batches=len(batches),
        epochs=1,
        dtype=resolve_dtype("auto", device),
    )
    return epoch.images_per_second


def main() -> None:
    """Run both sides in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is timed")
    parser.add_argument("--batches", type=int, default=3, help="batches of 256 images in a timed pass")
    asked = parser.parse_args()

    device = resolve_device("auto")
    generator = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.rand(256, 1, 96, 96, generator=generator).to(device),
            torch.randint(0, 10, (256,), generator=generator).to(device),
        )
        for _ in range(asked.batches)
    ]
    plain = densenet_sweep.build(SEED_NET).to(device)
    ours = place(densenet_sweep.build(SEED_NET), device)
    plain_images_per_second(plain, batches[:1])
    our_images_per_second(ours, batches[:1], device)
    rates = [
        (plain_images_per_second(plain, batches), our_images_per_second(ours, batches, device)) for _ in range(asked.rounds)
    ]
    precision = str(resolve_dtype("auto", device)).removeprefix("torch.")
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.machine()}")
    print(f"seed's net, 96 px, batch 256, {asked.rounds} rounds of {asked.batches} batches in turn, medians:")
    print(f"  plain fp32 loop      {statistics.median(plain for plain, _ in rates):10.1f} images/s")
    print(f"  ours, {precision:<14} {statistics.median(ours for _, ours in rates):10.1f} images/s")
    print(f"  ratio in a round     {statistics.median(ours / plain for plain, ours in rates):10.2f}")


if __name__ == "__main__":
    main()
