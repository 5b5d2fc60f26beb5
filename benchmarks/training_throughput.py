"""Images per second of training, data included: ours against the seed's loop and against a plain loop in mixed precision.

    python benchmarks/training_throughput.py [--quick] [--case NAME ...] [--minutes N]

Four networks, each trained in three ways, in turn and each time in a process of its own:

    text    the loop as the seed's text writes it: fp32, plain SGD, PIL Resize and ToTensor an image, 4 loader processes
    amp     a plain loop in mixed precision over the same pictures; not on a processor without bf16, where it is no other loop
    ours    `fit` over our batches, in the precision that `precision=auto` takes

In `text` and `amp` the seed's net is its text's, and the others are torchvision's DenseNet. Timed is one training pass without
validation: the whole of Fashion-MNIST's 54,000 training images on a GPU, the stated part of them on a processor. Printed are
medians over the rounds and the median of the ratios within a round.

It runs from a checkout with torch and torchvision alone. Where Fashion-MNIST is not to be had, random images of its size take
its place, since speed does not depend on what they show.
"""

import argparse
import json
import math
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # a checkout need not be installed

import plain_training
import torch
from rounds import rounds
from torch import nn

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import TrainBatches
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.data.sources import fashion_mnist
from densenet_sweep.training import optimizers, schedules
from densenet_sweep.training.fit import Epoch, fit
from densenet_sweep.training.malloc import keep_freed_memory
from densenet_sweep.training.precision import place, resolve_device, resolve_dtype

NUM_TRAIN = 54_000
SIDES = ("text", "amp", "ours")


@dataclass(frozen=True)
class Case:
    """A network and its images; a pass on a CPU takes `num_images` of them.

    `ours` are the arguments of `densenet`, those of the config `architecture`.
    """

    what: str
    architecture: str
    image_size: int
    batch_size: int
    num_images: int
    ours: dict[str, Any]
    theirs: Callable[[], nn.Module]


def bc(growth_rate: int, layers: int) -> dict[str, Any]:
    """Return the arguments of `densenet` for a DenseNet-BC of three blocks with so many layers each."""
    return {"growth_rate": growth_rate, "block_config": (layers,) * 3, "num_init_features": 2 * growth_rate, "bn_size": 4}


CASES = {
    "seed": Case(
        "the seed's net, 96 px, batch 256", "d2l", 96, 256, 2048,
        {"growth_rate": 32, "block_config": (4, 4, 4, 4), "num_init_features": 64, "stem": "imagenet",
         "initialization": "xavier", "conv_bias": True},
        plain_training.text_network,
    ),
    "bc100_k12": Case(
        "BC-100-12, 28 px, batch 64", "densenet_bc100_k12", 28, 64, 512, bc(12, 16),
        lambda: plain_training.torchvision_network(12, (16,) * 3, 24, stem="small"),
    ),
    "bc40_k48": Case(
        "BC-40-48, 28 px, batch 64", "densenet_bc40_k48", 28, 64, 256, bc(48, 6),
        lambda: plain_training.torchvision_network(48, (6,) * 3, 96, stem="small"),
    ),
    "densenet121": Case(
        "densenet121, 64 px, batch 64", "densenet121", 64, 64, 1024,
        {"growth_rate": 32, "block_config": (6, 12, 24, 16), "num_init_features": 64, "bn_size": 4, "stem": "imagenet"},
        lambda: plain_training.torchvision_network(32, (6, 12, 24, 16), 64, stem="imagenet"),
    ),
}  # fmt: skip


def our_network(case: Case, **changes: Any) -> nn.Module:
    """Return the network of `case`, freshly initialised on the CPU."""
    return densenet(**{"in_channels": 1, "num_classes": 10, "compression": 0.5, **case.ours, **changes})


def training_images(count: int) -> Images:
    """Return the first `count` training images of Fashion-MNIST, or random ones."""
    try:
        images = fashion_mnist("data", download=False).train
    except (FileNotFoundError, ValueError):
        print("Fashion-MNIST is not here: random images", file=sys.stderr)
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
        return Images(pixels, torch.randint(0, 10, (count,), generator=generator))
    return images.select(torch.arange(count))


def our_optimizer(case: Case, network: nn.Module) -> torch.optim.Optimizer:
    """Return plain SGD for the seed's net, as in its text, and the paper's optimizer for the others."""
    is_seed = case.architecture == "d2l"
    return optimizers.sgd(
        network,
        lr=0.05 if is_seed else 0.1,
        weight_decay=0.0 if is_seed else 1e-4,
        decay_norm_and_bias=True,
        momentum=0.0 if is_seed else 0.9,
        nesterov=not is_seed,
    )


def our_epochs(
    case: Case,
    images: Images,
    device: torch.device,
    dtype: torch.dtype,
    *,
    warm_up: int = 2,
    augmentation: Augmentation | None = None,
    wrapped: Callable[[nn.Module], nn.Module] = lambda network: network,
) -> Iterator[Epoch]:
    """Train with `fit` as `train.py` calls it, endlessly, on `images` each epoch; the first epoch has only `warm_up` steps.

    Args:
        case: the network and its batches.
        images: N of them, grey or in colour.
        device: to train on.
        dtype: of the forward pass.
        warm_up: steps of the first epoch.
        augmentation: of the images, by default none.
        wrapped: from the network on the device to the module to train.
    """
    if device.type == "cpu":
        keep_freed_memory()
    network = wrapped(place(our_network(case, in_channels=images.shape[1]), device))
    preprocessing = Preprocessing(case.image_size, torch.zeros(1, device=device), torch.ones(1, device=device))
    batches = TrainBatches(images.to(device), preprocessing, augmentation or Augmentation(), batch_size=case.batch_size, seed=0)
    return fit(
        network,
        our_optimizer(case, network),
        schedules.constant(),
        train_batches=lambda index: islice(batches(index), warm_up if index == 0 else None),
        valid_batches=None,
        num_batches=batches.num_batches,
        epochs=10**6,
        dtype=dtype,
    )


def run_side(side: str, case: Case, num_images: int) -> dict[str, float]:
    """Return images per second and peak memory in bytes: a GPU's allocations, or the process's on a CPU."""
    device = resolve_device("auto")
    dtype = resolve_dtype("auto", device)
    images = training_images(num_images)
    torch.manual_seed(0)
    if side == "ours":
        _, timed = islice(our_epochs(case, images, device, dtype), 2)
        speed = timed.images_per_second
    else:
        pictures = plain_training.Pictures(images.images_NCHW, images.labels_N, case.image_size)
        if side == "text":
            speed = plain_training.text_images_per_second(case.theirs(), pictures, case.batch_size, device)
        else:
            speed = plain_training.amp_images_per_second(case.theirs(), pictures, case.batch_size, device, dtype)
    is_gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) if is_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"images_per_second": speed, "peak_memory_bytes": peak}


def measured(side: str, name: str, num_images: int) -> dict[str, float]:
    """Return the result of `run_side` from a separate process."""
    command = [sys.executable, __file__, "--side", side, "--case", name, "--images", str(num_images)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def print_case(case: Case, num_images: int, taken: list[dict[str, dict[str, float]]]) -> None:
    """Print one line a side: images per second, ours over it, peak memory."""
    print(f"{case.what}; a pass of {num_images:,} images ({num_images / NUM_TRAIN:.3g} of an epoch), {len(taken)} rounds")
    for side in taken[0]:
        speed = statistics.median(found[side]["images_per_second"] for found in taken)
        ratios = [found["ours"]["images_per_second"] / found[side]["images_per_second"] for found in taken]
        peak = statistics.median(found[side]["peak_memory_bytes"] for found in taken) / 2**20
        ratio = (
            "" if side == "ours" else f"ours {statistics.median(ratios):6.2f} times ({', '.join(f'{r:.2f}' for r in ratios)})"
        )
        print(f"  {side:<5} {speed:10,.1f} images/s  {peak:8,.0f} MiB  {ratio}".rstrip(), flush=True)


def main() -> None:
    """Run all sides in turn and print the table; with `--side`, run one and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is timed (3)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="beyond which no further round would last")
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES), help="which networks")
    parser.add_argument("--images", type=int, help=f"images of a pass; {NUM_TRAIN} are an epoch")
    parser.add_argument("--quick", action="store_true", help="one round, of a quarter of the images")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(run_side(arguments.side, CASES[arguments.case[0]], arguments.images)))
        return
    device = resolve_device("auto")
    is_gpu = device.type == "cuda"
    hardware = torch.cuda.get_device_name(device) if is_gpu else f"{torch.get_num_threads()} threads, {platform.machine()}"
    dtype = resolve_dtype("auto", device)
    precision = str(dtype).removeprefix("torch.")
    print(
        f"{device} ({hardware}), torch {torch.__version__}, torchvision {plain_training.torchvision.__version__}, {precision}"
    )
    sides = [side for side in SIDES if side != "amp" or is_gpu or dtype is not torch.float32]
    shorter = 4 if arguments.quick else 1
    images = {name: arguments.images or (NUM_TRAIN if is_gpu else CASES[name].num_images) // shorter for name in arguments.case}
    taken: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in arguments.case}
    for _ in rounds(1 if arguments.quick else arguments.rounds, arguments.minutes):
        for name in arguments.case:
            taken[name].append({side: measured(side, name, images[name]) for side in sides})
    for name in arguments.case:
        print_case(CASES[name], images[name], taken[name])


if __name__ == "__main__":
    main()
