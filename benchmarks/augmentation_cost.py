"""What an epoch with mixup, TrivialAugment and random erasing costs, in relation to a plain one.

    python benchmarks/augmentation_cost.py [--case NAME] [--images N] [--rounds N] [--minutes N]

Two trainings of the same network in one process, whose epochs alternate; timed is the training pass, data included. Printed are
the median images per second of each and the median of the ratios within a round, with the smallest and the largest.
"""

import argparse
import statistics

from rounds import rounds
from training_throughput import CASES, our_epochs, training_images

from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.training.precision import resolve_device, resolve_dtype

SIDES = {"plain": Augmentation(), "augmented": Augmentation(trivial_augment=1.0, erasing=0.25, mixup=0.2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, default="seed")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=8.0)
    asked = parser.parse_args()
    case, device = CASES[asked.case], resolve_device("auto")
    images, dtype = training_images(asked.images), resolve_dtype("auto", device)
    sides = {name: our_epochs(case, images, device, dtype, warm_up=1, augmentation=it) for name, it in SIDES.items()}
    for epochs in sides.values():
        next(epochs)  # the first one warms up
    taken = [
        {name: next(epochs).images_per_second for name, epochs in sides.items()} for _ in rounds(asked.rounds, asked.minutes)
    ]
    print(f"{case.what}; passes of {asked.images:,} images, {len(taken)} rounds")
    for name in SIDES:
        print(f"{name:>10} {statistics.median(it[name] for it in taken):10.1f} images/s")
    costs = [it["plain"] / it["augmented"] for it in taken]
    print(f"an epoch costs {statistics.median(costs):.3f} of a plain one ({min(costs):.3f} to {max(costs):.3f})")


if __name__ == "__main__":
    main()
