"""Memory and time of BC-100-12 with and without `architecture.memory_efficient`, batch 64 at 28 px.

    python benchmarks/memory.py

Printed are what autograd keeps of a step; the peak of what tensors take in it; that of the whole process on a processor
(Linux), beyond what it had before the first step, each side in processes of its own; and the time of a step, both sides in
turn in one process, as the median of the ratios of neighbours. That both sides give the same numbers to the bit is a test, in
`tests/unit/architectures/test_densenet.py`. It runs from a checkout with torch and torchvision alone.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # a checkout need not be installed
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler logs to standard error what it does, and that there is no GPU

import torch
from torch import Tensor
from torch.nn import functional
from training_throughput import CASES, Case, our_network

from densenet_sweep.training.malloc import keep_freed_memory
from densenet_sweep.training.precision import autocast, place, resolve_device, resolve_dtype

CASE = CASES["bc100_k12"]
SIDES = {"plain": False, "memory_efficient": True}
_PEAKS = 7  # processes whose median peak is taken


def training_step(case: Case, *, memory_efficient: bool) -> Callable[[], None]:
    """Return a call that takes one step of SGD on one random batch of grey images."""
    device = resolve_device("auto")
    dtype = resolve_dtype("auto", device)
    torch.manual_seed(0)
    network = place(our_network(case, memory_efficient=memory_efficient), device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=True)
    images_BCHW = torch.rand(case.batch_size, 1, case.image_size, case.image_size, device=device)
    labels_B = torch.randint(0, 10, (case.batch_size,), device=device)

    def step() -> None:
        with autocast(device, dtype):
            logits_BK = network(images_BCHW)
        functional.cross_entropy(logits_BK.float(), labels_B).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def kept_bytes(step: Callable[[], None]) -> int:
    """Return the bytes of the storages that autograd keeps between the passes of a step."""
    sizes: dict[int, int] = {}
    kept: list[Tensor] = []  # a storage must not be freed and its address reused while counting

    def pack(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        kept.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(sizes.values())


def tensors_peak_bytes(step: Callable[[], None]) -> int:
    """Return the peak memory of tensors in a step, beyond what they took before."""
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    # No public list of the allocations in their order up to torch 2.15.
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


def process_peak_bytes(step: Callable[[], None], num_steps: int) -> int:
    """Return the peak memory of the process in some steps on a CPU, beyond what it took before the first."""
    before = _process_bytes("VmRSS")
    for _ in range(num_steps):
        step()
    return _process_bytes("VmHWM") - before


def _process_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [kibibytes] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(kibibytes)


def seconds(steps: dict[str, Callable[[], None]], num_pairs: int) -> dict[str, list[float]]:
    """Return the seconds of each step, the sides in turn."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for name in [*steps] * (num_pairs + 1):
        start = time.perf_counter()
        steps[name]()
        found[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in found.items()}  # the first warmed the libraries up


def _peak_of_a_process(side: str) -> int:
    return int(subprocess.check_output([sys.executable, __file__, "--side", side]))


def main() -> None:
    """Measure both sides and print the table; with `--side`, the peak of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9, help="steps of each side whose time is taken")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        keep_freed_memory()
    if arguments.side:
        print(json.dumps(process_peak_bytes(training_step(CASE, memory_efficient=SIDES[arguments.side]), 3)))
        return
    steps = {side: training_step(CASE, memory_efficient=value) for side, value in SIDES.items()}
    kept = {side: kept_bytes(step) for side, step in steps.items()}
    times = seconds(steps, arguments.pairs)
    tensors = {side: tensors_peak_bytes(step) for side, step in steps.items()}
    plain, efficient = SIDES
    print(f"{CASE.what}, {resolve_dtype('auto', resolve_device('auto'))}, {torch.get_num_threads()} threads")
    print(f"{'':24}{'plain':>10}{'efficient':>11}{'ratio':>7}")
    rows = [("kept by autograd, MiB", kept), ("peak of tensors, MiB", tensors)]
    if not torch.cuda.is_available():
        peaks = {side: statistics.median(_peak_of_a_process(side) for _ in range(_PEAKS)) for side in SIDES}
        rows.append(("peak of the process, MiB", peaks))
    for what, sizes in rows:
        print(f"{what:24}{sizes[plain] / 2**20:10,.0f}{sizes[efficient] / 2**20:11,.0f}{sizes[efficient] / sizes[plain]:7.2f}")
    medians = [1000 * statistics.median(times[side]) for side in SIDES]
    ratio = statistics.median(b / a for a, b in zip(times[plain], times[efficient], strict=True))
    print(f"{'a step, ms':24}{medians[0]:10,.0f}{medians[1]:11,.0f}{ratio:7.2f}")


if __name__ == "__main__":
    main()
