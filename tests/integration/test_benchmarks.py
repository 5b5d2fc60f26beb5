"""The benchmarks that must run where torch and torchvision are all that is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from densenet_sweep.config import composition
from densenet_sweep.run.train import build_network

# Found by every Python process with its folder on the path, so by the benchmark's own as well.
REFUSING = """
import sys

class Without:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {refused} else self._finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
"""
# Not those that torch needs or looks for itself, such as filelock and scipy.
REFUSED = {
    "hydra", "omegaconf", "hydra_plugins", "optuna", "cmaes", "mlflow", "matplotlib", "psutil", "pynvml", "rich",
    "plotly", "cloudpickle", "yaml", "sklearn", "pytest", "hypothesis",
}  # fmt: skip


@pytest.fixture
def benchmark(project: Path, tmp_path: Path):
    """Run a benchmark in an empty folder, without the packages of REFUSED, and return what it prints."""
    (tmp_path / "sitecustomize.py").write_text(REFUSING.format(refused=sorted(REFUSED)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, str(project / "benchmarks" / arguments[0]), *arguments[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_packages_are_refused(benchmark, tmp_path):
    (tmp_path / "imports.py").write_text("import hydra", encoding="utf-8")
    with pytest.raises(AssertionError, match="No module named 'hydra'"):
        benchmark(str(tmp_path / "imports.py"))


def test_packing_needs_torch_and_torchvision_alone(benchmark):
    printed = benchmark("packing.py", "--rounds", "1", "--seconds", "0.1", "--case", "bc16_k12", "--workers", "1")
    assert "1 workers" in printed
    assert "trials an hour" in printed


def test_training_throughput_needs_torch_and_torchvision_alone(benchmark):
    printed = benchmark("training_throughput.py", "--rounds", "1", "--images", "8", "--case", "bc40_k48")
    lines = {line.split()[0]: line for line in printed.splitlines()}
    assert lines.keys() >= {"text", "ours"}
    assert ("amp" in lines) == ("float32" not in printed)
    assert "images/s" in lines["ours"]
    assert "ours" in lines["text"].split("MiB")[1]


def test_what_a_gpu_is_measured_by_needs_torch_and_torchvision_alone(benchmark, tmp_path):
    # One of each kind; `packing.py` and `training_throughput.py`, which the others call, are tested above.
    steps = [
        "ceilings", "check: evaluation", "seed: throughput", "seed: profile", "seed: graph", "seed: compile",
        "bc100: memory_efficient", "seed: throughput in fp32", "precision", "seed: compiled graph",
    ]  # fmt: skip
    printed = benchmark("gpu.py", "--minutes", "5", "--out", "results", "--steps", *steps)
    found = json.loads((tmp_path / "results" / "gpu.json").read_text())
    assert found["machine"]["rehearsal"] is not torch.cuda.is_available()
    assert {row["status"] for row in found["rows"]} == {"ok"}
    assert list(dict.fromkeys(row["step"] for row in found["rows"])) == steps
    table = (tmp_path / "results" / "gpu.txt").read_text().splitlines()
    assert len(table) == 1 + len(found["rows"])
    assert table == printed.splitlines()[:-1]


@pytest.mark.parametrize("name", ["seed", "bc100_k12", "bc40_k48", "densenet121"])
def test_both_sides_train_the_network_of_the_config(name, monkeypatch, project):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    import training_throughput

    case = training_throughput.CASES[name]
    overrides = [f"architecture={case.architecture}", f"data.image_size={case.image_size}"]
    with torch.random.fork_rng():
        configured = build_network(composition.typed(composition.compose(overrides)))
        ours = training_throughput.our_network(case)
        theirs = case.theirs()
    assert repr(ours) == repr(configured)
    shapes = [sorted(tuple(p.shape) for p in network.parameters()) for network in (ours, theirs)]
    assert shapes[0] == shapes[1]
