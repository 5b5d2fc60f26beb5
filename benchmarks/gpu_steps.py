"""The measurements of `gpu.py`, step by step: speed, memory, exactness, and several processes at once.

Each step takes a `Size` and yields rows; it has no time limit and writes no file. Needs only torch and torchvision.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import gpu_checks
import memory
import packing
import torch
import training_throughput
from torch import Tensor, nn
from torch.nn import functional
from training_throughput import CASES, Case, our_epochs, our_network, our_optimizer

from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.images import Images
from densenet_sweep.training.compilation import Compiled
from densenet_sweep.training.evaluation import evaluate
from densenet_sweep.training.precision import autocast, place, resolve_device, resolve_dtype

_MIB = 2**20


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, its value in a unit, and what else there is to say."""

    what: str
    value: float | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Size:
    """The sizes of all measurements: for a GPU, or for a rehearsal on a CPU."""

    cases: dict[str, Case]
    num_batches: int  # of an epoch that is timed
    num_epochs: int
    num_steps: int  # timed for a median
    matrix: int
    copied_bytes: int
    seeds: int
    trained_images: int
    seconds: float  # of each measurement of several processes
    packed_images: int  # after which each process checks the clock
    num_workers: tuple[int, ...]


_COLOUR = dataclasses.replace(CASES["bc100_k12"], what="BC-100-12, 32 px, colour, batch 64", image_size=32)
FULL = Size(
    cases={"seed": CASES["seed"], "bc100": _COLOUR},
    num_batches=50,
    num_epochs=3,
    num_steps=30,
    matrix=8192,
    copied_bytes=2**32,
    seeds=5,
    trained_images=4096,
    seconds=6.0,
    packed_images=8192,
    num_workers=(1, 2, 3, 4),
)
# One layer a block and tiny batches: every line of a step runs, in seconds.
_TINY = {"growth_rate": 4, "block_config": (1, 1), "num_init_features": 4, "bn_size": 4}
REHEARSAL = Size(
    cases={
        name: dataclasses.replace(case, what=f"{name} in miniature", image_size=16, batch_size=4, ours=_TINY)
        for name, case in FULL.cases.items()
    },
    num_batches=10,
    num_epochs=1,
    num_steps=2,
    matrix=64,
    copied_bytes=2**16,
    seeds=2,
    trained_images=48,
    seconds=0.1,
    packed_images=32,
    num_workers=(1, 2),
)


def device() -> torch.device:
    """Return the first GPU, or the processor where there is none."""
    return resolve_device("auto")


def check(name: str, _: Size) -> Iterator[Row]:
    """Run the checks of the tests marked `gpu`."""
    yield Row("holds", note=gpu_checks.CHECKS[name](device()))


def ceilings(size: Size) -> Iterator[Row]:
    """The device's best case, for comparison: a bf16 matrix product and a copy."""
    a, b = (torch.randn(size.matrix, size.matrix, device=device(), dtype=torch.bfloat16) for _ in range(2))
    seconds = _seconds(lambda: a @ b, size.num_steps)
    yield Row(f"bf16 matrix product of {size.matrix}", 2 * size.matrix**3 / seconds / 1e12, "TFLOP/s")
    source = torch.empty(size.copied_bytes, dtype=torch.uint8, device=device()).random_()
    target = torch.empty_like(source)
    seconds = _seconds(lambda: target.copy_(source), size.num_steps)
    yield Row("copy, bytes read and written", 2 * size.copied_bytes / seconds / 1e12, "TB/s")


def throughput(name: str, precision: str, size: Size) -> Iterator[Row]:
    """Images a second of training by `fit`, data included, as in the command; and of evaluation."""
    case = size.cases[name]
    dtype = resolve_dtype(precision, device())
    epochs = list(
        islice(our_epochs(case, _images(case, size), device(), dtype, augmentation=_augmentation(case)), size.num_epochs + 1)
    )
    yield _speed(f"{case.what}: training, {_name(dtype)}", epochs[1:])
    yield Row(f"{case.what}: peak memory, {_name(dtype)}", max(it.peak_memory_bytes or 0 for it in epochs) / _MIB, "MiB")
    if precision == "auto":
        net = place(our_network(case, in_channels=_channels(case)), device())
        batches = [next(_batches(case, large=True))] * size.num_steps
        evaluate(net, batches[:2], dtype=dtype)
        start = time.perf_counter()
        evaluate(net, batches, dtype=dtype)
        num_images = sum(len(labels_B) for _, labels_B in batches)
        yield Row(f"{case.what}: evaluation, {_name(dtype)}", num_images / (time.perf_counter() - start), "images/s")


def theirs(name: str, side: str, size: Size) -> Iterator[Row]:
    """Images a second of plain training loops (see `training_throughput.py`); grey images."""
    case = CASES[name]
    num_images = size.num_batches * case.batch_size if device().type == "cuda" else 8
    yield Row(
        f"{case.what}: the loop `{side}`", training_throughput.run_side(side, case, num_images)["images_per_second"], "images/s"
    )


def compiled(name: str, size: Size) -> Iterator[Row]:
    """Images a second with `compile=true`, and its report; without a compiler on a CPU, only the graph is captured."""
    case = size.cases[name]
    said: list[str] = []
    steps = size.num_batches * size.num_epochs
    dtype = resolve_dtype("auto", device())

    def wrapped(network: nn.Module) -> nn.Module:
        return Compiled(network, case.batch_size, num_steps=steps, say=said.append)

    with gpu_checks.compiler_of(device()):
        # The warm-up is long enough for all steps that are timed, and compiles.
        trained = our_epochs(
            case, _images(case, size), device(), dtype, warm_up=9, augmentation=_augmentation(case), wrapped=wrapped
        )
        epochs = list(islice(trained, size.num_epochs + 1))
    yield _speed(f"{case.what}: training, compiled, {_name(dtype)}", epochs[1:], note="; ".join(said))
    yield Row(f"{case.what}: peak memory, compiled", max(it.peak_memory_bytes or 0 for it in epochs) / _MIB, "MiB")


def graph(name: str, is_compiled: bool, size: Size) -> Iterator[Row]:
    """An experiment: the whole step as one CUDA graph, against the same steps launched kernel by kernel.

    Both begin with the same weights and see the same batches, and their losses are compared. On a CPU the captured step
    is called instead of replayed.
    """
    case = size.cases[name]
    dtype = resolve_dtype("auto", device())
    batches = list(islice(_batches(case), 4))
    losses: dict[str, list[float]] = {}
    what = f"{case.what}: {'compiled ' if is_compiled else ''}step"
    times: dict[str, float] = {}
    with gpu_checks.compiler_of(device()):
        for side in ("eager", "graph"):
            step = _Step(case, dtype, is_compiled=is_compiled, is_captured=side == "graph")
            losses[side] = [step(*batches[index % len(batches)]) for index in range(8)]
            times[side] = _seconds(lambda step=step: step(*batches[0]), size.num_steps)  # type: ignore[misc]
            yield Row(
                f"{what}, {side}, {_name(dtype)}", 1000 * times[side], "ms", f"{case.batch_size / times[side]:,.0f} images/s"
            )
    apart = max(abs(a - b) / abs(a) for a, b in zip(losses["eager"], losses["graph"], strict=True))
    note = f"losses {losses['eager'][-1]:.4f} and {losses['graph'][-1]:.4f}, at most {apart:.1e} apart"
    yield Row(f"{what}, graph over eager", times["eager"] / times["graph"], "times", note)
    assert apart < 0.05, f"the graph's losses are not those of the steps: {losses}"


class _Step:
    """A training step on fixed buffers: forward, backward, update and gradients cleared; captured as a CUDA graph or not."""

    def __init__(self, case: Case, dtype: torch.dtype, *, is_compiled: bool, is_captured: bool) -> None:
        torch.manual_seed(0)
        self._dtype = dtype
        network = place(our_network(case, in_channels=_channels(case)), device()).train()
        self._optimizer = our_optimizer(case, network)
        for group in self._optimizer.param_groups:  # a plain number would be frozen into the graph
            group["lr"] = torch.tensor(group["lr"], device=device())
        self._network = torch.compile(network, fullgraph=True, dynamic=False) if is_compiled else network
        images_BCHW, labels_B = next(_batches(case))
        self._images_BCHW, self._labels_B = images_BCHW.clone(), labels_B.clone()
        self._loss = torch.zeros((), device=device())
        weights = {name: value.clone() for name, value in network.state_dict().items()}
        self._replay: Callable[[], object] = self._run
        self._warm_up()
        if is_captured and device().type == "cuda":
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._run()
            self._replay = graph.replay
        # Undo what the warm-up learned: in place, because the graph refers to these tensors.
        with torch.no_grad():
            for name, value in network.state_dict().items():
                value.copy_(weights[name])
            for state in self._optimizer.state.values():
                for value in state.values():
                    if isinstance(value, Tensor):
                        value.zero_()

    def __call__(self, images_BCHW: Tensor, labels_B: Tensor) -> float:
        """Take a step on a batch and return its loss, which makes the host wait."""
        self._images_BCHW.copy_(images_BCHW)
        self._labels_B.copy_(labels_B)
        self._replay()
        return self._loss.item()

    def _run(self) -> None:
        with autocast(device(), self._dtype):
            logits_BK = self._network(self._images_BCHW)
        loss = functional.cross_entropy(logits_BK.float(), self._labels_B)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._loss.copy_(loss.detach())

    def _warm_up(self) -> None:
        """Take three steps, on a separate stream as a capture requires."""
        if device().type == "cpu":
            for _ in range(3):
                self._run()
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._run()
        torch.cuda.current_stream().wait_stream(stream)


def memory_efficient(size: Size) -> Iterator[Row]:
    """BC-100-12 with and without `architecture.memory_efficient`: peak of tensors and time of a step."""
    case = size.cases["bc100"]
    steps = {side: memory.training_step(case, memory_efficient=value) for side, value in memory.SIDES.items()}
    times = memory.seconds(steps, size.num_steps)
    peaks = {side: memory.tensors_peak_bytes(step) / _MIB for side, step in steps.items()}
    for side in steps:
        yield Row(f"{case.what}: {side}, peak of tensors", peaks[side], "MiB")
        yield Row(f"{case.what}: {side}, a step", 1000 * statistics.median(times[side]), "ms")
    ratio = statistics.median(b / a for a, b in zip(*times.values(), strict=True))
    yield Row(
        f"{case.what}: memory_efficient over plain",
        peaks["memory_efficient"] / peaks["plain"],
        "of memory",
        f"{ratio:.2f} of time",
    )


def profile(name: str, size: Size) -> Iterator[Row]:
    """How busy the device is in eager steps, and by which kernels."""
    case = size.cases[name]
    step = _Step(case, resolve_dtype("auto", device()), is_compiled=False, is_captured=False)
    batch = next(_batches(case))
    step(*batch)
    is_gpu = device().type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if is_gpu else [])]
    start = time.perf_counter()
    with torch.profiler.profile(activities=kinds) as profiled:
        for _ in range(size.num_steps):
            step(*batch)
    wall = time.perf_counter() - start

    def microseconds(event: Any) -> float:
        return float(event.self_device_time_total if is_gpu else event.self_cpu_time_total)

    # On a GPU only the kernels: the operators that launched them report the same time again.
    events = [it for it in profiled.key_averages() if not is_gpu or it.device_type == torch.autograd.DeviceType.CUDA]
    total = sum(map(microseconds, events))
    yield Row(f"{case.what}: device busy in eager steps, profiled", total / 1e6 / wall, "of the time")
    for event in sorted(events, key=microseconds, reverse=True)[:6]:
        yield Row(
            f"{case.what}: {event.key[:60]}", microseconds(event) / total, "of it", f"{event.count // size.num_steps} a step"
        )


def precision(size: Size) -> Iterator[Row]:
    """Validation accuracy after two epochs in fp32 and bf16 with the same seeds, on patterns under noise."""
    found: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for seed in range(size.seeds):
        for dtype, accuracies in found.items():
            net, data = gpu_checks.network(seed=seed), {"num_images": size.trained_images, "num_valid": size.trained_images}
            epochs = gpu_checks.train(device(), net=net, dtype=dtype, noise=250.0, **data)[1]
            assert epochs[-1].validation is not None
            accuracies.append(epochs[-1].validation.accuracy)
    for dtype, accuracies in found.items():
        note = f"standard deviation {statistics.stdev(accuracies):.4f}"
        yield Row(f"small net on noisy patterns, {_name(dtype)}", statistics.fmean(accuracies), "accuracy", note)
    differences = [b - a for a, b in zip(*found.values(), strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    yield Row("bf16 - fp32, the same seeds", statistics.fmean(differences), "accuracy", f"standard error {error:.4f}")


def processes(name: str, size: Size) -> Iterator[Row]:
    """Trials an hour with several processes on one device (see `packing.py`)."""
    case = packing.PACKED[name]
    alone = None
    for workers in size.num_workers:
        threads = 0 if device().type == "cuda" else 1
        speed = packing.images_per_second(name, workers, threads, size.seconds, size.packed_images)
        alone = alone or speed
        note = f"{speed:,.0f} images/s, {speed / alone:.2f} of one process'"
        yield Row(f"{case.what}: {workers} processes", 3600 * speed / packing.IMAGES_OF_A_TRIAL, "trials/h", note)


def _seconds(call: Callable[[], object], times: int) -> float:
    """Return the median time of a call, the device's work included, after three warm-up calls."""
    found = []
    for _ in range(times + 3):
        start = time.perf_counter()
        call()
        if device().type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return statistics.median(found[3:])


def _channels(case: Case) -> int:
    return 1 if case.architecture == "d2l" else 3


def _augmentation(case: Case) -> Augmentation:
    """Return the paper's augmentation for colour pictures; the seed's net has none."""
    return Augmentation() if case.architecture == "d2l" else Augmentation(crop_padding=4, horizontal_flip=True)


def _images(case: Case, size: Size) -> Images:
    """Return random images of the data set's own size: speed does not depend on what they show."""
    generator = torch.Generator().manual_seed(0)
    pixels = 28 if case.architecture == "d2l" else case.image_size
    count = size.num_batches * case.batch_size
    images_NCHW = torch.randint(0, 256, (count, _channels(case), pixels, pixels), generator=generator, dtype=torch.uint8)
    return Images(images_NCHW, torch.randint(0, 10, (count,), generator=generator))


def _batches(case: Case, *, large: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield random batches on the device, always the same ones, without end."""
    generator = torch.Generator().manual_seed(0)
    count = 2 * case.batch_size if large else case.batch_size
    while True:
        images_BCHW = torch.randn(count, _channels(case), case.image_size, case.image_size, generator=generator)
        labels_B = torch.randint(0, 10, (count,), generator=generator)
        yield images_BCHW.to(device(), memory_format=torch.channels_last), labels_B.to(device())


def _speed(what: str, epochs: Iterable[Any], note: str = "") -> Row:
    speeds = [epoch.images_per_second for epoch in epochs]
    spread = f"{min(speeds):,.0f} to {max(speeds):,.0f}" if len(speeds) > 1 else ""
    return Row(what, statistics.median(speeds), "images/s", "; ".join(filter(None, (spread, note))))


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]


# In order of worth. Each is called with a size.
STEPS: dict[str, Callable[[Size], Iterator[Row]]] = {
    "ceilings": ceilings,
    **{f"check: {name}": functools.partial(check, name) for name in gpu_checks.CHECKS if name != "compile"},
    "seed: throughput": functools.partial(throughput, "seed", "auto"),
    "bc100: throughput": functools.partial(throughput, "bc100", "auto"),
    "seed: profile": functools.partial(profile, "seed"),
    "bc100: profile": functools.partial(profile, "bc100"),
    "seed: graph": functools.partial(graph, "seed", False),
    "bc100: graph": functools.partial(graph, "bc100", False),
    "check: compile": functools.partial(check, "compile"),
    "seed: compile": functools.partial(compiled, "seed"),
    "bc100: compile": functools.partial(compiled, "bc100"),
    "bc100: memory_efficient": memory_efficient,
    "seed: throughput in fp32": functools.partial(throughput, "seed", "fp32"),
    "bc100: throughput in fp32": functools.partial(throughput, "bc100", "fp32"),
    "bc16_k12: processes": functools.partial(processes, "bc16_k12"),
    "precision": precision,
    "seed: the text's loop": functools.partial(theirs, "seed", "text"),
    "seed: compiled graph": functools.partial(graph, "seed", True),
    "bc100: compiled graph": functools.partial(graph, "bc100", True),
    "bc100_k12: torchvision's, a plain loop": functools.partial(theirs, "bc100_k12", "amp"),
}
