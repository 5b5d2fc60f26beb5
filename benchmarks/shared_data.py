"""What the data costs each of several workers of a machine: copies of its own, or pages of one file that all of them map.

    python benchmarks/shared_data.py

Each side starts its workers, which import everything, then load, split and measure the data set and make a first training
batch. Of a worker are printed: the memory that this added to it (its share of pages that several map, PSS, on Linux) and the
seconds that it took. "private" does what was done before there was a file: each worker unpacks the images and copies the splits
out of them. At the end, one process shows all training batches of an epoch from both, in turn, without a network.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import repeat
from pathlib import Path

import torch

from densenet_sweep.data import cache, sources
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import TrainBatches
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.data.split import split
from densenet_sweep.training.malloc import keep_freed_memory

SIDES = ("private", "shared")


def main() -> None:
    """Run both sides in turn and print a table; as a worker, load on the parent's signal and wait for the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (5)")
    parser.add_argument("--workers", type=int, default=4, help="of one machine (4)")
    parser.add_argument("--data", default="fashion_mnist", help="a supplied data set (fashion_mnist)")
    parser.add_argument("--root", default="data", help="where it is (data)")
    parser.add_argument("--worker", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        _work(arguments.worker, arguments.data, arguments.root)
        return
    splits(arguments.data, arguments.root, "shared")  # decodes the data set if needed
    print(f"{arguments.workers} workers, {arguments.data}; a worker's memory, MiB, and seconds until its first batch, by round")
    found = [{side: measured(side, arguments) for side in SIDES} for _ in range(arguments.rounds)]
    for side in SIDES:
        memory, seconds = zip(*(each[side] for each in found), strict=True)
        print(
            f"{side:<8} {statistics.median(memory):7.1f} MiB ({', '.join(f'{one:.1f}' for one in memory)})"
            f"  {statistics.median(seconds):6.3f} s ({', '.join(f'{one:.3f}' for one in seconds)})"
        )
    ratios = epoch_ratios(arguments.data, arguments.root, arguments.rounds)
    print(
        "an epoch's batches, shared over private in time: "
        f"{statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})"
    )


def splits(name: str, root: str, side: str) -> tuple[Images, Images]:
    """Return the training and the validation images."""
    if side == "private":
        with tempfile.NamedTemporaryFile() as file:  # no cache file can be kept below a file
            cache._folders = lambda _: [Path(file.name)]
            found = getattr(sources, name)(root, download=False)
    else:
        found = getattr(sources, name)(root, download=False)
    both = split(found.train, valid_fraction=0.1, num_train=None, seed=0)
    if side == "private":
        return tuple(Images(images.images_NCHW, images.labels_N) for images in both)
    return both


def batches(images: Images) -> TrainBatches:
    """Return the batches of the default config."""
    mean_C, std_C = channel_statistics(images, normalize=True)
    preprocessing = Preprocessing(images.shape[-1], mean_C, std_C)
    return TrainBatches(images, preprocessing, Augmentation(), batch_size=256, seed=0)


def _work(side: str, name: str, root: str) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    train_images, valid_images = splits(name, root, side)
    next(batches(train_images)(0))
    print(time.perf_counter() - began, flush=True)
    sys.stdin.readline()
    del valid_images  # in use until here


def measured(side: str, arguments: argparse.Namespace) -> tuple[float, float]:
    """Return the memory (MiB) and the seconds that the data costs a worker: means over the workers."""
    command = [sys.executable, __file__, "--worker", side, "--data", arguments.data, "--root", arguments.root]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in repeat(None, arguments.workers)
    ]

    def printed() -> list[str]:
        return [worker.stdout.readline() for worker in workers if worker.stdout]

    def go_on() -> None:
        for worker in workers:
            if worker.stdin:
                worker.stdin.write("\n")
                worker.stdin.flush()

    printed()
    before = sum(_megabytes(worker.pid) for worker in workers)
    go_on()
    seconds = [float(line) for line in printed()]
    after = sum(_megabytes(worker.pid) for worker in workers)
    go_on()
    for worker in workers:
        worker.communicate()
    return (after - before) / arguments.workers, statistics.mean(seconds)


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    [pss] = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return pss / 1024


def epoch_ratios(name: str, root: str, pairs: int) -> list[float]:
    """Return, for each pair, the time to read all training batches from shared pages over that from a copy."""
    torch.set_num_threads(1)
    keep_freed_memory()
    # The shared one first: the other makes the cache unwritable.
    both = {side: batches(splits(name, root, side)[0]) for side in ("shared", "private")}

    def seconds(side: str, epoch: int) -> float:
        began = time.perf_counter()
        for _ in both[side](epoch):
            pass
        return time.perf_counter() - began

    for side in SIDES:
        seconds(side, 0)
    times = [{side: seconds(side, epoch) for side in SIDES[:: 1 - 2 * (epoch % 2)]} for epoch in range(1, 2 * pairs + 1)]
    return [each["shared"] / each["private"] for each in times]


if __name__ == "__main__":
    main()
