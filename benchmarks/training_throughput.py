"""Images per second of a training step of the seed's net: ours against the plain fp32 loop of its text.

    python benchmarks/training_throughput.py

The two sides run in turn, each time in a process of its own, because settings of the memory allocator last for a process.
Medians and the ratio round by round are printed. The data is random and in memory: a step's speed does not depend on it.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import time

import torch
from torch import Tensor, nn

import densenet_sweep
from densenet_sweep.training import optimizers, schedules
from densenet_sweep.training.fit import fit
from densenet_sweep.training.memory import keep_freed_memory
from densenet_sweep.training.precision import place, resolve_device, resolve_dtype

LEARNING_RATE = 0.05
BATCH_SIZE = 256
IMAGE_SIZE = 96


class TextDenseBlock(nn.Module):
    """A dense block as the text writes it."""

    def __init__(self, num_convs: int, in_channels: int, growth_rate: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *(_bn_relu_conv(in_channels + index * growth_rate, growth_rate, 3, 1) for index in range(num_convs))
        )

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the input with every layer's output appended."""
        for layer in self.net:
            images_BCHW = torch.cat((images_BCHW, layer(images_BCHW)), dim=1)
        return images_BCHW


def _bn_relu_conv(in_channels: int, out_channels: int, size: int, padding: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, size, padding=padding)
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(), convolution)


def text_network() -> nn.Sequential:
    """Return the seed's net as its text writes it."""
    layers: list[nn.Module] = [
        nn.Conv2d(1, 64, 7, stride=2, padding=3),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    channels = 64
    for index in range(4):
        layers.append(TextDenseBlock(4, channels, 32))
        channels += 4 * 32
        if index < 3:
            layers += [_bn_relu_conv(channels, channels // 2, 1, 0), nn.AvgPool2d(2, stride=2)]
            channels //= 2
    layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, 10)]
    return nn.Sequential(*layers)


def text_images_per_second(batches: list[tuple[Tensor, Tensor]], device: torch.device) -> float:
    """Train two passes over `batches` with the text's loop (fp32, contiguous, plain SGD) and time the second."""
    network = text_network().to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    loss_function = nn.CrossEntropyLoss()
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        for images_BCHW, labels_B in batches:
            optimizer.zero_grad()
            loss = loss_function(network(images_BCHW), labels_B)
            loss.backward()
            optimizer.step()
            loss.item()
        seconds = time.perf_counter() - start
    return len(batches) * BATCH_SIZE / seconds


def our_images_per_second(batches: list[tuple[Tensor, Tensor]], device: torch.device) -> float:
    """Train two epochs over `batches` with `fit`, as `precision=auto` does on this device, and take the second's figure."""
    if device.type == "cpu":
        keep_freed_memory()
    network = place(densenet_sweep.build(["architecture=d2l", "data.image_size=96"]), device)
    optimizer = optimizers.sgd(
        network, lr=LEARNING_RATE, weight_decay=0.0, decay_norm_and_bias=True, momentum=0.0, nesterov=False
    )
    epochs = fit(
        network,
        optimizer,
        schedules.constant(),
        train_batches=lambda _: batches,
        valid_batches=lambda: batches[:1],
        num_batches=len(batches),
        epochs=2,
        dtype=resolve_dtype("auto", device),
    )
    return list(epochs)[-1].images_per_second


SIDES = {"text": text_images_per_second, "ours": our_images_per_second}


def main() -> None:
    """Run both sides in turn and print the table; with `--side`, run one and print its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is timed")
    parser.add_argument("--batches", type=int, default=4, help="batches of 256 images in a timed pass")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    device = resolve_device("auto")
    if asked.side:
        generator = torch.Generator().manual_seed(0)
        batches = [
            (
                torch.rand(BATCH_SIZE, 1, IMAGE_SIZE, IMAGE_SIZE, generator=generator).to(device),
                torch.randint(0, 10, (BATCH_SIZE,), generator=generator).to(device),
            )
            for _ in range(asked.batches)
        ]
        print(SIDES[asked.side](batches, device))
        return

    def measured(side: str) -> float:
        command = [sys.executable, __file__, "--side", side, "--batches", str(asked.batches)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    rounds = [(measured("text"), measured("ours")) for _ in range(asked.rounds)]
    precision = str(resolve_dtype("auto", device)).removeprefix("torch.")
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.machine()}")
    print(
        f"seed's net, {IMAGE_SIZE} px, batch {BATCH_SIZE}, {asked.rounds} rounds of {asked.batches} batches in turn, medians:"
    )
    print(f"  the text's fp32 loop {statistics.median(text for text, _ in rounds):10.1f} images/s")
    print(f"  ours, {precision:<14} {statistics.median(ours for _, ours in rounds):10.1f} images/s")
    print(f"  ratio in a round     {statistics.median(ours / text for text, ours in rounds):10.2f}")


if __name__ == "__main__":
    main()
