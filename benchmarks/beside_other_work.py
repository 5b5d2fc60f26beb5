"""What other work on the machine does to a training, by how long its threads spin while they wait for each other.

    python benchmarks/beside_other_work.py [--rounds N] [--minutes N] [OVERRIDE ...]

Trains in whole commands, in turn: as `densenet-sweep` has it, as OpenMP has it (300,000 spins), and without spinning; first
alone, then beside one busy process for each core. Printed are the medians of the seconds of training and validation, without
the imports, with the least and the most.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from rounds import rounds

SIDES = {"ours": {}, "OpenMP's": {"GOMP_SPINCOUNT": "300000"}, "no spinning": {"OMP_WAIT_POLICY": "PASSIVE"}}
_OTHER_WORK = "import torch; torch.set_num_threads(1); a = torch.ones(512, 512)\nwhile True: a @ a"
_SMALL = ("data=digits", "epochs=1")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("overrides", nargs="*", default=_SMALL, metavar="OVERRIDE", help="of the training")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, {' '.join(arguments.overrides)}")
    taken: dict[tuple[str, int], list[float]] = {}
    for _ in rounds(arguments.rounds, arguments.minutes):
        for others in (0, cores):
            with busy(others):
                for side, environment in SIDES.items():
                    taken.setdefault((side, others), []).append(trained(arguments.overrides, environment))
    for (side, others), seconds in taken.items():
        beside = f"beside {others} busy processes" if others else "alone"
        print(f"{side:>12} {beside:<24} {statistics.median(seconds):8.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep as many processes busy inside the context, with one thread each."""
    processes = [subprocess.Popen([sys.executable, "-c", _OTHER_WORK]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def trained(overrides: Sequence[str], environment: dict[str, str]) -> float:
    """Train once, and return the seconds that the training took, without the imports."""
    others = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "densenet_sweep", "tracking=none", f"hydra.run.dir={folder}", *overrides]
        subprocess.run(command, env=others | environment, stdout=subprocess.DEVNULL, check=True)
        history = torch.load(f"{folder}/last.pt", weights_only=True)["history"]
    return history[-1]["total_seconds"]


if __name__ == "__main__":
    main()
