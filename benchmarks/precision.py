"""Validation accuracy in bf16 against fp32, with the same seeds.

    python benchmarks/precision.py

Trains BC-16-12, the network that sweep=quickstart tries first, by Nesterov's method (6,000 images of Fashion-MNIST, 4 epochs)
with each seed in both precisions, by the command itself. What bf16 changes is set against what another seed changes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from densenet_sweep.training.precision import resolve_device, resolve_dtype

RECIPE = (
    "data=fashion_mnist", "data.num_train=6000", "architecture.depth=16", "architecture.growth_rate=12", "optimizer.lr=0.1",
    "epochs=4", "tracking=none",
)  # fmt: skip
PRECISIONS = ("fp32", "bf16")


def main() -> None:
    """Train all of them, two at a time with one thread each, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if resolve_dtype("auto", resolve_device("auto")) is not torch.bfloat16:
        print("not measured: this machine computes in fp32, and emulates bf16 many times slower")
        return
    runs = [(seed, precision) for seed in range(arguments.seeds) for precision in PRECISIONS]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.processes) as pool:
        found = dict(zip(runs, pool.map(lambda run: _accuracy(*run, Path(folder)), runs), strict=True))
    for precision in PRECISIONS:
        values = [found[seed, precision] for seed in range(arguments.seeds)]
        listed = ", ".join(f"{value:.4f}" for value in values)
        print(f"{precision}: {statistics.fmean(values):.4f}, standard deviation {statistics.stdev(values):.4f} ({listed})")
    differences = [found[seed, "bf16"] - found[seed, "fp32"] for seed in range(arguments.seeds)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    print(f"bf16 - fp32: {statistics.fmean(differences):+.4f}, standard error {error:.4f}")


def _accuracy(seed: int, precision: str, folder: Path) -> float:
    """Return the validation accuracy after the last epoch."""
    run = folder / f"{precision}-{seed}"
    command = [
        sys.executable,
        "-m",
        "densenet_sweep",
        *RECIPE,
        f"seed={seed}",
        f"precision={precision}",
        f"hydra.run.dir={run}",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    history = torch.load(run / "last.pt", weights_only=True)["history"]
    return float(history[-1]["valid_accuracy"])


if __name__ == "__main__":
    main()
