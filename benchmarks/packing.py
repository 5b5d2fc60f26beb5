"""Trials per hour with several workers on one device: on a processor processes x threads, on a GPU workers.

    python benchmarks/packing.py [--case NAME ...]

Each worker is a process that trains the same network with `fit`, as a trial does, on Fashion-MNIST. They begin together, and
what they trained within the same seconds is added up: as many as the command names, but at least two of a worker's own epochs.
A trial is 4 epochs of 6,000 images, as in sweep=quickstart.
The numbers of workers are measured in turn, in rounds; printed are medians, and the median of the ratios to one worker with
all threads within a round.

It runs from a checkout with torch and torchvision alone.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection

import torch
from training_throughput import CASES, Case, bc, our_epochs, our_network, training_images

from densenet_sweep.training.precision import resolve_device, resolve_dtype

IMAGES_OF_A_TRIAL = 4 * 6000
NUM_IMAGES = 256  # of an epoch, after which a worker checks the clock
_FEWEST_EPOCHS = 2

PACKED = {
    "bc16_k12": Case(
        "BC-16-12, 28 px, batch 64", "densenet_bc", 28, 64, NUM_IMAGES, bc(12, 2), lambda: our_network(PACKED["bc16_k12"])
    ),
    **CASES,
}


def main() -> None:
    """Measure every number of workers in turn and print a table a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=PACKED, nargs="+", default=["bc16_k12", "seed"], help="which networks")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement, at least (8)")
    arguments = parser.parse_args()
    device = resolve_device("auto")
    threads = os.cpu_count() or 1
    ways = [
        (1, threads),
        *((workers, 1) for workers in arguments.workers),
        *([(2, threads)] if 2 in arguments.workers else []),
    ]
    if device.type == "cuda":
        ways = [(workers, 0) for workers in arguments.workers]
    for name in arguments.case:
        rounds = [[images_per_second(name, *way, arguments.seconds) for way in ways] for _ in range(arguments.rounds)]
        print(f"{PACKED[name].what}, {device}, {arguments.rounds} rounds")
        for index, (workers, each) in enumerate(ways):
            speeds = [speed[index] for speed in rounds]
            ratio = statistics.median(speed[index] / speed[0] for speed in rounds)
            per_hour = statistics.median(speeds) * 3600 / IMAGES_OF_A_TRIAL
            how = f"{workers} workers" + (f" of {each} threads" if each else "")
            print(
                f"  {how:24} {per_hour:8,.1f} trials an hour {statistics.median(speeds):9,.1f} images/s  {ratio:.2f}",
                flush=True,
            )


def images_per_second(name: str, num_workers: int, num_threads: int, seconds: float, num_images: int | None = None) -> float:
    """Return the images per second of all workers together, over the same interval of at least `seconds`.

    A worker checks the clock after `num_images`, by default a number that suits the device.
    """
    context = multiprocessing.get_context("spawn")
    ends = [context.Pipe() for _ in range(num_workers)]
    workers = [context.Process(target=_work, args=(name, num_threads, num_images, theirs)) for _, theirs in ends]
    for worker, (_, theirs) in zip(workers, ends, strict=True):
        worker.start()
        theirs.close()  # so that a worker's death raises an error here instead of blocking
    for ours, _ in ends:
        ours.recv()  # the worker is warm
    for ours, _ in ends:
        ours.send(True)
    seconds = max(seconds, *(_FEWEST_EPOCHS * ours.recv() for ours, _ in ends))
    start = time.monotonic()
    for ours, _ in ends:
        ours.send((start, start + seconds))
    total = sum(ours.recv() for ours, _ in ends)
    for worker in workers:
        worker.join()
    return float(total)


def _work(name: str, num_threads: int, num_images: int | None, parent: Connection) -> None:
    """Train until the parent's end time, and send it the images per second since the parent's start time."""
    if num_threads:
        torch.set_num_threads(num_threads)
    device = resolve_device("auto")
    images = training_images(num_images or (NUM_IMAGES if device.type == "cpu" else 32 * NUM_IMAGES))
    epochs = our_epochs(PACKED[name], images, device, resolve_dtype("auto", device))
    next(epochs)
    parent.send(True)
    parent.recv()
    parent.send(next(epochs).seconds)  # in parallel with the others, like the epochs that count
    start, until = parent.recv()
    trained = 0.0
    began = time.monotonic()
    while began < until:
        next(epochs)
        ended = time.monotonic()
        trained += len(images) * (min(ended, until) - began) / (ended - began)
        began = ended
    parent.send(trained / (until - start))


if __name__ == "__main__":
    main()
