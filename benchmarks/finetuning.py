"""Images per second of fine-tuning DenseNet-121: ours against a plain loop with a DataLoader around timm's network.

    python benchmarks/finetuning.py [--images N] [--rounds N] [--minutes N]

Needs timm beside torch and torchvision, best in an environment of its own. Both sides train all of the network, at 64 px, in
bf16 where the processor has it, in turn and each time in a process of its own; the weights are drawn, since speed does not
depend on them. Printed are the medians and the ratios within a round, by the clock and by the processors' time of all
processes, which other work on the machine changes less.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import plain_training
import torch
from rounds import rounds
from training_throughput import CASES, our_epochs, training_images

from densenet_sweep.training.precision import resolve_device, resolve_dtype

SIDES = ("timm", "ours")


def run_side(side: str, num_images: int) -> dict[str, float]:
    """Return the images per second of one training pass, data included, and those per second of all processors' time."""
    case, device = CASES["densenet121"], resolve_device("auto")
    images, dtype = training_images(num_images), resolve_dtype("auto", device)
    torch.manual_seed(0)
    if side == "ours":
        epochs = our_epochs(case, images, device, dtype, warm_up=1)
        began = _processor_seconds()
        next(epochs)
        speed = next(epochs).images_per_second
    else:
        import timm

        network = timm.create_model("densenet121", num_classes=10, in_chans=1)
        pictures = plain_training.Pictures(images.images_NCHW, images.labels_N, case.image_size)
        began = _processor_seconds()
        speed = plain_training.amp_images_per_second(network, pictures, case.batch_size, device, dtype)
    num_steps = num_images / case.batch_size
    share = num_steps / (num_steps + 1)  # both sides begin with a step that is not timed
    return {"wall": speed, "processor": num_images / share / (_processor_seconds() - began)}


def _processor_seconds() -> float:
    """Return the time of this process and of the loader's, which have ended."""
    return sum(os.times()[:4])


def measured(side: str, num_images: int) -> dict[str, float]:
    """Return the same from a separate process."""
    command = [sys.executable, __file__, "--side", side, "--images", str(num_images)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])  # timm may have said something before
    return found


def main() -> None:
    """Run both sides in turn and print the ratios; with `--side`, run one and print its speed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(run_side(arguments.side, arguments.images)))
        return
    taken = [{side: measured(side, arguments.images) for side in SIDES} for _ in rounds(arguments.rounds, arguments.minutes)]
    dtype = str(resolve_dtype("auto", resolve_device("auto"))).removeprefix("torch.")
    print(f"densenet121, 64 px, {dtype}; passes of {arguments.images:,} images, {len(taken)} rounds")
    for clock in ("wall", "processor"):
        speeds = ", ".join(f"{side} {statistics.median(it[side][clock] for it in taken):.1f}" for side in SIDES)
        ratios = [it["ours"][clock] / it["timm"][clock] for it in taken]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{clock:>9}: {speeds} images/s; ours {statistics.median(ratios):.2f} times ({each})")


if __name__ == "__main__":
    main()
