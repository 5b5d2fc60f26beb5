"""What an epoch with mixup, TrivialAugment and random erasing costs, in relation to a plain one.

    python benchmarks/augmentation_cost.py [--case NAME] [--images N] [--rounds N] [--minutes N]

Two trainings of the same network in one process, whose epochs alternate; timed is the training pass, data included. Printed
are the median images per second of each and the median of the ratios within a round, with the smallest and the largest; and the
same of the processor's time, which other work on the machine changes less.
"""

import argparse
import statistics
import time
from collections.abc import Iterator

from rounds import rounds
from training_throughput import CASES, our_epochs, training_images

from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.training.fit import Epoch
from densenet_sweep.training.precision import resolve_device, resolve_dtype

SIDES = {"plain": Augmentation(), "augmented": Augmentation(trivial_augment=1.0, erasing=0.25, mixup=0.2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, default="seed")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=8.0)
    arguments = parser.parse_args()
    case, device = CASES[arguments.case], resolve_device("auto")
    images, dtype = training_images(arguments.images), resolve_dtype("auto", device)
    sides = {name: our_epochs(case, images, device, dtype, warm_up=1, augmentation=it) for name, it in SIDES.items()}
    for epochs in sides.values():
        next(epochs)  # the first one warms up
    taken = [{name: epoch(epochs) for name, epochs in sides.items()} for _ in rounds(arguments.rounds, arguments.minutes)]
    print(f"{case.what}; passes of {arguments.images:,} images, {len(taken)} rounds")
    for name in SIDES:
        print(f"{name:>10} {statistics.median(it[name][0] for it in taken):10.1f} images/s")
    costs = [it["plain"][0] / it["augmented"][0] for it in taken]
    print(f"an epoch costs {statistics.median(costs):.3f} of a plain one ({min(costs):.3f} to {max(costs):.3f})")
    costs = [it["augmented"][1] / it["plain"][1] for it in taken]
    print(f"in the processor's time {statistics.median(costs):.3f} ({min(costs):.3f} to {max(costs):.3f})")


def epoch(epochs: Iterator[Epoch]) -> tuple[float, float]:
    """Train one, and return its images per second and the seconds of the processor."""
    began = time.process_time()
    return next(epochs).images_per_second, time.process_time() - began


if __name__ == "__main__":
    main()
