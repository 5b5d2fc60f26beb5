"""How long a command takes to answer, and what an installation takes on the disk.

    python benchmarks/start.py

Each command starts in a process of its own, in an empty folder. "First line" is the time from its start to the first character
on its standard output or standard error; "processor" counts all of its seconds of computing, its children's included, and
depends less on what else the machine does. Each is the median of `--rounds`. Sizes are of the environment that runs this.
`PYTHONPATH=CHECKOUT:CHECKOUT/engine` measures another commit.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

_SMALL = ("data=digits", "data.num_train=100", "epochs=1", "architecture.depth=10")
_SWEEP = (
    "sweep=growth_depth_lr",
    "hydra.sweeper.n_trials=1",
    "hydra.sweeper.enqueue=[]",
    "architecture.growth_rate=choice(4,6)",
)
_COMMANDS = {
    "import densenet_sweep": ["-c", "import densenet_sweep; print()"],
    "--help": ["-m", "densenet_sweep", "--help"],
    "describe": ["-m", "densenet_sweep", "describe"],
    "a run": ["-m", "densenet_sweep", *_SMALL],
    "a sweep": ["-m", "densenet_sweep", *_SWEEP, *_SMALL],
}


def main() -> None:
    """Measure and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each command (3)")
    rounds = parser.parse_args().rounds
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    print(f"{'command':<24} {'first line, s':>14} {'whole, s':>10} {'processor, s':>13}")
    for name, words in _COMMANDS.items():
        taken = [_started(words) for _ in range(rounds)]
        first, whole, processor = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"{name:<24} {first:>14.2f} {whole:>10.2f} {processor:>13.2f}")
    packages = Path(sysconfig.get_path("purelib"))
    print(f"\n{packages}: {_megabytes(packages):,.0f} MB, the largest parts:")
    for name in ("densenet_sweep", "hydra_async_sweeper", "torch", "nvidia", "mlflow", "ray"):
        if (packages / name).is_dir():
            print(f"  {name:<22} {_megabytes(packages / name):>8,.1f} MB")


def _started(words: list[str]) -> tuple[float, float, float]:
    """Return the seconds until the first output of `python words`, until its end, and of computing."""
    with tempfile.TemporaryDirectory() as folder:
        before, began = _computed(), time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TERM": "dumb", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""},  # as in a terminal
        )
        assert process.stdout is not None
        begin = process.stdout.read(1)
        first = time.monotonic() - began
        rest = process.stdout.read()
        if process.wait() != 0:
            sys.exit((begin + rest).decode())
        return first, time.monotonic() - began, _computed() - before


def _computed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512 / 1e6


if __name__ == "__main__":
    main()
