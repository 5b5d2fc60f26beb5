"""Time to a validated accuracy: whole commands from Enter, of ours and of what people write instead.

    python benchmarks/time_to_accuracy.py --side ours careful peer --seed 0 1 2
    python benchmarks/time_to_accuracy.py --side ours careful --seed 0 --full
    python benchmarks/time_to_accuracy.py

Each side searches growth rate, depth and learning rate of small DenseNets with the trials, training and validation images of
sweep=quickstart (`--full`: all 54,000 training images), two trials at a time with one thread each, until its trials are done or
`--minutes` are up. What Fashion-MNIST's validation images say of an epoch counts when its line is printed.

    peer       hydra-optuna-sweeper 1.3.0 and joblib; torchvision's DenseNet, DataLoader, fp32, Nesterov and cosine, four epochs
    peer_rc    the same with 1.4.0rc3
    careful    1.3.0 with channels_last, images in memory, and bf16 where the processor computes in it
    small      the careful loop with ours' image size and epochs: what they alone give
    ray        Ray Tune, Optuna's suggestions and ASHA around the careful loop
    lightning  Lightning and Optuna's pruning callback around the careful loop, two processes
    ours       densenet-sweep sweep=quickstart: eight epochs at 14 px; with `--full` four at 28 px, as all others

Each side runs in an environment of its own below `--environments`, with the torch of this one; ours in this one. A side that
has run with a seed is a line of `--table`, and is not run again, so that the same command continues. Without `--side` the
table's medians are printed, and their ratio to ours seed by seed. With `--test` the configuration of a side's best line is then
trained on both splits with three seeds, by `confirm` or by the side's own loop (Lightning's by the careful one), and tested.
"""

import argparse
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import winners
from time_of_ours import PARTS, spent

SCRIPTS = Path(__file__).parent / "time_to_accuracy"
LEVELS = {False: (0.85, 0.87, 0.88), True: (0.92, 0.93)}
MINUTES = (2, 5, 15)
# Only what is named is pinned: its dependencies come in the newest version that it accepts.
_STABLE = ("hydra-core==1.3.2", "hydra-optuna-sweeper==1.3.0", "hydra-joblib-launcher==1.2.0")
ENVIRONMENTS = {
    "peer": _STABLE,
    "peer_rc": ("hydra-core==1.4.0rc3", "hydra-optuna-sweeper==1.4.0rc3", "hydra-joblib-launcher==1.4.0rc3"),
    "careful": _STABLE,
    "small": _STABLE,
    "ray": ("ray[tune]==2.60.0", "optuna==5.0.0"),
    "lightning": ("lightning==2.6.6", "optuna==5.0.0", "optuna-integration[pytorch-lightning]"),
    "ours": (),
}
# Of sweep=quickstart.
EPOCHS, IMAGE_SIZE = 8, 14
_CONFIGURATION = r" growth_rate=(?P<growth_rate>\d+) depth=(?P<depth>\d+) lr=(?P<lr>\S+)"
_LINE = re.compile(rf"trial (\d+) (?:epoch|rung) .*accuracy (0\.\d+|1\.0+)(?:{_CONFIGURATION})?")

Run = dict[str, Any]  # a line of the table


def main() -> None:
    """Run what is missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=ENVIRONMENTS, nargs="+", default=[], help="to run, in turn")
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="one round each")
    parser.add_argument("--full", action="store_true", help="all 54,000 training images")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=4, help="of those who train at 28 px")
    parser.add_argument("--images", type=int, default=6000, help="for training")
    parser.add_argument("--minutes", type=float, default=30, help="after which a side is stopped")
    parser.add_argument("--test", action="store_true", help="what each side has found")
    parser.add_argument("--table", type=Path, default=Path("build/time_to_accuracy/runs.jsonl"))
    parser.add_argument("--environments", type=Path, default=Path("build/time_to_accuracy"))
    arguments = parser.parse_args()
    images = 54000 if arguments.full else arguments.images
    job = {"trials": arguments.trials, "epochs": arguments.epochs, "images": images, "limit": 60 * arguments.minutes}
    job |= {"test": True} if arguments.test else {}
    done = read(arguments.table)
    for seed in arguments.seed:
        for side in arguments.side:
            if any(run["side"] == side and run["seed"] == seed and run["job"] == job for run in done):
                continue
            print(f"{side}, seed {seed} ...", file=sys.stderr, flush=True)
            run = {"side": side, "seed": seed, "job": job, **measured(side, seed, job, arguments.environments.absolute())}
            arguments.table.parent.mkdir(parents=True, exist_ok=True)
            with arguments.table.open("a", encoding="utf-8") as table:
                table.write(json.dumps(run) + "\n")
            done.append(run)
    for line in summary([run for run in done if run["job"] == job], LEVELS[arguments.full]):
        print(line)


def read(table: Path) -> list[Run]:
    """Return the runs of a table, which need not exist."""
    return [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()] if table.exists() else []


def measured(side: str, seed: int, job: dict[str, Any], environments: Path) -> Run:
    """Run one side's command in an empty folder and return what it did.

    "seconds" is None where it was stopped; "epochs" has the seconds since the start, the trial and the accuracy of each line;
    "test" the test accuracies of the best line's configuration.

    Raises:
        SystemExit: it failed.
    """
    python = installed(side, environments)
    data = fashion_mnist(environments / "data", job["images"])
    environment = {**os.environ, "TIME_TO_ACCURACY": str(data), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    if side == "small":
        environment["TIME_TO_ACCURACY_IMAGE_SIZE"] = str(IMAGE_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        began, epochs, output, configurations = time.time(), [], [], []
        process = subprocess.Popen(
            [python, *command(side, seed, job)], cwd=folder, env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        limit = threading.Timer(job["limit"], os.killpg, (process.pid, signal.SIGTERM))
        limit.start()
        for line in process.stdout or ():
            output.append(line)
            seconds = round(time.time() - began, 2)
            if (found := _LINE.search(line)) and seconds <= job["limit"]:  # ours ends its epoch before it stops
                epochs.append((seconds, int(found[1]), float(found[2])))
                configurations.append(found.groupdict())
        code, took, load = process.wait(), time.time() - began, os.getloadavg()[0]
        limit.cancel()
        if code != 0 and took < job["limit"]:
            sys.exit(f"{side} failed:\n{''.join(output)}")
        parts = spent(Path(folder), began, began + took, job["images"]) if side == "ours" and code == 0 else {}
        test: list[float] = []
        if job.get("test") and side == "ours":
            test = winners.of_ours(Path(folder), environment)
        elif job.get("test") and epochs:
            _, best = max(zip([accuracy for _, _, accuracy in epochs], configurations, strict=True), key=lambda pair: pair[0])
            kind = {"epochs": EPOCHS if side == "small" else job["epochs"], "careful": not side.startswith("peer")}
            test = winners.of_theirs(python, best, Path(folder), environment, **kind)
    return {
        "seconds": round(took, 2) if code == 0 else None, "epochs": epochs, "parts": parts, "test": test, "load": load,
        "date": time.strftime("%Y-%m-%d %H:%M"), "processor": _processor(), "commit": _commit(),
    }  # fmt: skip


def command(side: str, seed: int, job: dict[str, Any]) -> list[str]:
    """Return what Python runs for a side."""
    trials, epochs = job["trials"], job["epochs"]
    if side == "ours":
        sweep = ["sweep=quickstart", f"hydra.sweeper.n_trials={trials}", f"hydra.sweeper.sampler.seed={seed}", f"seed={seed}"]
        if job["images"] == 54000:
            return ["-m", "densenet_sweep", *sweep, "data=fashion_mnist", f"epochs={epochs}", "data.num_train=null"]
        return ["-m", "densenet_sweep", *sweep, f"data.num_train={job['images']}"]
    if side in ("ray", "lightning"):
        script = {"ray": "ray_asha.py", "lightning": "lightning_optuna.py"}[side]
        return [str(SCRIPTS / script), str(trials), str(epochs), str(seed)]
    is_careful = side in ("careful", "small")
    epochs = EPOCHS if side == "small" else epochs
    options = [f"hydra.sweeper.n_trials={trials}", f"epochs={epochs}", f"seed={seed}", f"careful={is_careful}"]
    return [str(SCRIPTS / "hydra_optuna.py"), "-m", *options]


def installed(side: str, environments: Path) -> Path:
    """Return the interpreter of a side's environment, which is made if it does not exist; it has the torch of this one."""
    wanted = ENVIRONMENTS[side]
    if not wanted:
        return Path(sys.executable)
    folder = environments / ("peer" if wanted == _STABLE else side)
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        shared = folder / "torch"
        shared.mkdir(exist_ok=True)
        for name in _torch_and_what_it_needs():
            files = metadata.distribution(name).files or ()
            for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
                link = shared / top
                if not link.exists():
                    link.symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
        packages = next((folder / "lib").glob("python*")) / "site-packages"
        (packages / "torch.pth").write_text(f"{shared}\n", encoding="utf-8")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
        (folder / "installed").touch()
    return python


def _torch_and_what_it_needs() -> set[str]:
    from packaging.requirements import Requirement

    names: set[str] = set()
    to_do = ["torch", "torchvision", *(it.name for it in metadata.distributions() if it.name.startswith("nvidia-"))]
    while to_do:
        if (name := to_do.pop()) not in names:
            names.add(name)
            needed = [Requirement(text) for text in metadata.requires(name) or ()]
            to_do += [it.name for it in needed if it.marker is None or it.marker.evaluate({"extra": ""})]
    return names


def fashion_mnist(folder: Path, num_train: int) -> Path:
    """Write the training set as torchvision reads it, with the rows of ours; the test images, for `winners`, in `test.pt`."""
    import torch

    from densenet_sweep.data import sources
    from densenet_sweep.data.split import split_rows

    folder = folder / str(num_train)
    if not all((folder / name).exists() for name in ("test.pt", "split.pt")):
        source = sources.fashion_mnist(os.environ.get("DENSENET_SWEEP_DATA", "data"), download=True)
        train, test = source.train, source.load_test()
        raw = folder / "FashionMNIST" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        pixels_NHW, labels_N = train.images_NCHW[:, 0].numpy(), train.labels_N.numpy()
        header = struct.pack(">4I", 0x803, *pixels_NHW.shape)
        (raw / "train-images-idx3-ubyte").write_bytes(header + pixels_NHW.tobytes())
        header = struct.pack(">2I", 0x801, len(labels_N))
        (raw / "train-labels-idx1-ubyte").write_bytes(header + labels_N.astype("uint8").tobytes())
        for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            (raw / name).touch()
        torch.save([test.images_NCHW[:, 0], test.labels_N], folder / "test.pt")
        rows = split_rows(labels_N, valid_fraction=0.1, num_train=None if num_train == 54000 else num_train, seed=0)
        torch.save([torch.from_numpy(part) for part in rows], folder / "split.pt")
    return folder


def reached(run: Run, level: float) -> float | None:
    """Return the seconds until the first epoch with at least this accuracy."""
    return next((seconds for seconds, _, accuracy in run["epochs"] if accuracy >= level), None)


def best_after(run: Run, minutes: float) -> float:
    """Return the best accuracy so far after this time, 0 before the first."""
    return max((accuracy for seconds, _, accuracy in run["epochs"] if seconds <= 60 * minutes), default=0.0)


def summary(runs: Sequence[Run], levels: Sequence[float]) -> list[str]:
    """Return the lines of the table: medians (least to most), ratios to ours with the same seeds, and where ours spends it."""
    ours = {run["seed"]: run for run in runs if run["side"] == "ours"}
    nothing = {"epochs": [], "seconds": None}
    lines = [_line("", [*map(str, levels), "whole"], [*(f"best, {it} min" for it in MINUTES), "best", "test", "n"])]
    for side in ENVIRONMENTS:
        pairs = [(run, ours.get(run["seed"], nothing)) for run in runs if run["side"] == side]
        if not pairs:
            continue
        times = [_cell([(reached(run, level), reached(our, level)) for run, our in pairs]) for level in levels]
        times.append(_cell([(run["seconds"], our["seconds"]) for run, our in pairs], otherwise="stopped"))
        bests = [statistics.median(best_after(run, minutes) for run, _ in pairs) for minutes in (*MINUTES, float("inf"))]
        tested = [accuracy for run, _ in pairs for accuracy in run.get("test", [])]
        test = f"{statistics.mean(tested):.4f}" if tested else "-"
        lines.append(_line(side, times, [*(f"{best:.4f}" for best in bests), test, str(len(pairs))]))
    parts = [run["parts"] for run in ours.values() if run["parts"]]
    return [*lines, *(bar({name: statistics.median(it[name] for it in parts) for name in PARTS}) if parts else [])]


def _line(side: str, times: Sequence[str], bests: Sequence[str]) -> str:
    return f"{side:10}" + "".join(f"{it:>24}" for it in times) + "".join(f"{it:>13}" for it in bests)


def _cell(pairs: Sequence[tuple[float | None, float | None]], otherwise: str = "not reached") -> str:
    """Return the median of the first of each pair, its span, and the median ratio to the second."""
    times = [time for time, _ in pairs if time is not None]
    if 2 * len(times) <= len(pairs):
        return otherwise
    text = f"{statistics.median([*times, *[float('inf')] * (len(pairs) - len(times))]):.0f}"
    text += f" ({min(times):.0f}-{max(times):.0f})" if len(times) > 1 else ""
    ratios = [time / our for time, our in pairs if time is not None and our is not None]
    return f"{text} {statistics.median(ratios):6.2f}x" if ratios else text


def bar(parts: dict[str, float], width: int = 100) -> list[str]:
    """Return the seconds of each part as lines, under one another as in a stacked bar."""
    whole, before, lines = sum(parts.values()), 0.0, []
    for name, seconds in parts.items():
        left, right = (round(width * at / whole) for at in (before, before + seconds))
        before += seconds
        lines.append(f"{name:24}{seconds:8.1f} s  {' ' * left}{'█' * (right - left)}")
    return lines


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=SCRIPTS, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
