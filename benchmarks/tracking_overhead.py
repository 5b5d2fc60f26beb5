"""The share of a 20-second trial that is spent in tracking, and beside training at all: MLflow in a file, and on a server here.

    python benchmarks/tracking_overhead.py

Sweeps DenseNet-BC-40-12 on `digits`, for as many epochs a trial as take 20 s on this machine, with one worker in a process of
its own, and counts the seconds that it spends inside tracking: opening the run, each epoch's metrics, artifacts, the end, what
Hydra's callbacks do after a trial, and the processor time of the thread that reads system metrics. The first trial, which
imports MLflow, is shown separately. "Beside" training is all from the start of one trial to the start of the next but the
epochs' own seconds: tracking, and composing, data, network, checkpoints, pictures, tell, ask. Seconds depend on the machine and
on what else it does; the shares are theirs to the whole trial's.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

SWEEP = (
    "sweep=growth_depth_lr", "data=digits", "hydra/launcher=basic", "hydra/sweeper/pruner=none", "hydra.sweeper.enqueue=null",
    "architecture.depth=40", "hydra.sweeper.study_name=benchmark", "device=cpu",
)  # fmt: skip

_PACING_EPOCHS = 5


def main() -> None:
    """Measure both stores, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4, help="the first is shown separately (4)")
    parser.add_argument("--seconds", type=float, default=20, help="of a trial's training (20)")
    parser.add_argument("--growth-rate", type=int, default=12, help="of the net: 24 makes an epoch thrice as long (12)")
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--worker", metavar="URI", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        _sweep(arguments.worker, arguments.trials, arguments.epochs, arguments.growth_rate)
        return
    [paced] = _trials("sqlite", 1, _PACING_EPOCHS, arguments.growth_rate)
    epochs = max(1, round(arguments.seconds * _PACING_EPOCHS / paced["training"]))
    print(f"DenseNet-BC-40-{arguments.growth_rate} on digits, {epochs} epochs a trial")
    print(f"{'store':<8} {'trial, s':>9} {'tracking, s':>12} {'share':>7} {'beside':>7} {'first, s':>9}   parts of a trial, s")
    for kind in ("sqlite", "server"):
        _print(kind, _trials(kind, arguments.trials, epochs, arguments.growth_rate))


def _trials(kind: str, trials: int, epochs: int, growth_rate: int) -> list[dict[str, float]]:
    """Sweep in a process of its own and return the seconds of each trial's parts."""
    with tempfile.TemporaryDirectory() as name, _store(kind, Path(name)) as uri:
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", uri]
        command += ["--trials", str(trials), "--epochs", str(epochs), "--growth-rate", str(growth_rate)]
        subprocess.run(command, cwd=name, check=True, stdout=subprocess.DEVNULL)
        found: list[dict[str, float]] = json.loads((Path(name) / "seconds.json").read_text(encoding="utf-8"))
    return found


def _print(kind: str, trials: list[dict[str, float]]) -> None:
    begun = [trial.pop("began") for trial in trials]
    training = [trial.pop("training") for trial in trials]
    beside = statistics.median(
        1 - trained / (after - before) for trained, (before, after) in zip(training[1:-1], pairwise(begun[1:]), strict=True)
    )
    first, *others = trials
    whole = statistics.median(trial["whole"] for trial in others)
    shares = [(sum(trial.values()) - trial["whole"]) / trial["whole"] for trial in others]
    parts = {part: statistics.median(trial[part] for trial in others) for part in first if part != "whole"}
    listed = ", ".join(f"{part} {seconds:.3f}" for part, seconds in parts.items())
    at_first = sum(first.values()) - first["whole"]
    share = statistics.median(shares)
    print(f"{kind:<8} {whole:9.2f} {whole * share:12.3f} {share:7.1%} {beside:7.1%} {at_first:9.2f}   {listed}")


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URI of a fresh store in `folder`."""
    database = f"sqlite:///{folder}/mlflow.db"
    if kind == "sqlite":
        yield database
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # a proxy of the machine does not reach it
    try:
        for _ in range(1200):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _sweep(uri: str, trials: int, epochs: int, growth_rate: int) -> None:
    """Sweep in this process and write the seconds of each trial's parts to `seconds.json`."""
    from hydra_async_sweeper.workers.worker import Worker
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    from densenet_sweep.__main__ import main as densenet_sweep
    from densenet_sweep.callbacks.keep_best_weights import KeepBest
    from densenet_sweep.callbacks.sweep_run import SweepRun
    from densenet_sweep.run import reporting
    from densenet_sweep.tracking import mlflow_record
    from densenet_sweep.tracking.mlflow_record import MlflowRecord

    seconds: list[dict[str, float]] = []

    def counted(part: str, owner: Any, name: str, clock: Callable[[], float] = time.perf_counter) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if part == "whole":
                parts = ("whole", "open", "epochs", "artifacts", "end", "after", "thread", "training")
                seconds.append(dict.fromkeys(parts, 0.0) | {"began": clock()})
            began = clock()
            try:
                return original(*arguments, **named)
            finally:
                seconds[-1][part] += clock() - began

        setattr(owner, name, call)

    def metrics(epoch: Any, reported: str) -> dict[str, float]:
        seconds[-1]["training"] += epoch.seconds
        return of_epoch(epoch, reported)

    of_epoch, reporting.metrics_of = reporting.metrics_of, metrics
    counted("whole", Worker, "_run")
    counted("open", mlflow_record, "open_record")
    counted("epochs", MlflowRecord, "epoch")
    counted("artifacts", MlflowRecord, "artifacts")
    counted("end", MlflowRecord, "finish")
    for callback in (SweepRun, KeepBest):
        counted("after", callback, "on_trial_end")
    counted("thread", SystemMetricsMonitor, "monitor", time.thread_time)
    sys.argv[1:] = [*SWEEP, f"tracking.uri={uri}", f"epochs={epochs}"]
    sys.argv += [f"architecture.growth_rate={growth_rate}", f"hydra.sweeper.n_trials={trials}"]
    with suppress(SystemExit):
        densenet_sweep()
    Path("seconds.json").write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
