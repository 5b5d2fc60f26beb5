"""Images per second of fine-tuning DenseNet-121: ours against a plain loop with a DataLoader around timm's network.

    python benchmarks/finetuning.py [--images N] [--rounds N] [--minutes N]

Needs timm beside torch and torchvision, best in an environment of its own. Both sides train all of the network, at 64 px, in
bf16 where the processor has it, in turn and each time in a process of its own; the weights are drawn, since speed does not
depend on them. Printed are the medians and the ratios within a round.
"""

import argparse
import json
import statistics
import subprocess
import sys
from itertools import islice

import plain_training
import torch
from rounds import rounds
from training_throughput import CASES, our_epochs, training_images

from densenet_sweep.training.precision import resolve_device, resolve_dtype

SIDES = ("timm", "ours")


def images_per_second(side: str, num_images: int) -> float:
    """Return the speed of one training pass, data included."""
    case, device = CASES["densenet121"], resolve_device("auto")
    images, dtype = training_images(num_images), resolve_dtype("auto", device)
    torch.manual_seed(0)
    if side == "ours":
        _, timed = islice(our_epochs(case, images, device, dtype), 2)
        return timed.images_per_second
    import timm

    network = timm.create_model("densenet121", num_classes=10, in_chans=1)
    pictures = plain_training.Pictures(images.images_NCHW, images.labels_N, case.image_size)
    return plain_training.amp_images_per_second(network, pictures, case.batch_size, device, dtype)


def measured(side: str, num_images: int) -> float:
    """Return the same from a separate process."""
    command = [sys.executable, __file__, "--side", side, "--images", str(num_images)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    speed: float = json.loads(printed.splitlines()[-1])  # timm may have said something before
    return speed


def main() -> None:
    """Run both sides in turn and print the ratio; with `--side`, run one and print its speed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(images_per_second(asked.side, asked.images)))
        return
    taken = [{side: measured(side, asked.images) for side in SIDES} for _ in rounds(asked.rounds, asked.minutes)]
    dtype = str(resolve_dtype("auto", resolve_device("auto"))).removeprefix("torch.")
    print(f"densenet121, 64 px, {dtype}; passes of {asked.images:,} images, {len(taken)} rounds")
    for side in SIDES:
        print(f"{side:>6} {statistics.median(it[side] for it in taken):8.1f} images/s")
    ratios = [it["ours"] / it["timm"] for it in taken]
    print(f"ours {statistics.median(ratios):.2f} times ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()
