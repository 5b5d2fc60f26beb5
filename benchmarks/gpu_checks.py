"""Checks of a GPU: each compares a device with the CPU, or with itself, and takes seconds.

The tests marked `gpu` call these; `gpu.py` does so on a machine without pytest. On a CPU they are a rehearsal. Each check
raises `AssertionError` on a failure, and returns its result in a few words.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import contextlib
import functools
import itertools
import math
import tempfile
import unittest.mock
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from densenet_sweep.architectures.densenet import densenet
from densenet_sweep.data import images as images_module
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import EvalBatches, TrainBatches
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.training import checkpoint, fit, optimizers, schedules
from densenet_sweep.training.compilation import Compiled
from densenet_sweep.training.evaluation import evaluate
from densenet_sweep.training.precision import place

CPU = torch.device("cpu")
SIZE = 8  # pixels of the pictures, squared
_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": functools.partial(optimizers.sgd, momentum=0.0, nesterov=False),
    "nesterov": functools.partial(optimizers.sgd, momentum=0.9, nesterov=True),
    "adamw": functools.partial(optimizers.adamw, betas=(0.9, 0.999), eps=1e-8),
    "muon": functools.partial(optimizers.muon, momentum=0.9, ns_steps=5),
}


def network(*, seed: int = 0, **changes: Any) -> nn.Module:
    """Return a small DenseNet-BC for colour pictures, on the CPU, whose weights follow from the seed."""
    torch.manual_seed(seed)
    arguments = {"in_channels": 3, "num_classes": 4, "growth_rate": 8, "depth": 10, "bn_size": 4, "compression": 0.5}
    return densenet(**{**arguments, **changes})


def patterns(num_images: int, *, num_classes: int = 4, size: int = SIZE, noise: float = 60.0, seed: int = 0) -> Images:
    """Return colour pictures that can be learned: a random pattern a class, the same for every seed, under noise."""
    pattern_KCHW = 255 * torch.rand(num_classes, 3, size, size, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed + 1)
    labels_N = torch.arange(num_images) % num_classes
    pixels_NCHW = pattern_KCHW[labels_N] + noise * torch.randn(num_images, 3, size, size, generator=generator)
    return Images(pixels_NCHW.round().clamp(0, 255).to(torch.uint8), labels_N)


def train(
    device: torch.device,
    *,
    optimizer: str = "nesterov",
    lr: float = 0.05,
    epochs: int = 2,
    dtype: torch.dtype = torch.float32,
    augmentation: Augmentation | None = None,
    num_images: int = 48,
    num_valid: int = 32,
    noise: float = 60.0,
    net: nn.Module | None = None,
    resumed_after: int | None = None,
) -> tuple[nn.Module, list[fit.Epoch]]:
    """Train the small network on patterns by `fit`; return it and the epochs.

    With `resumed_after`, a new network and optimizer continue after so many epochs from what the first ones wrote to a file.
    """
    images = patterns(num_images, noise=noise)
    preprocessing = Preprocessing(SIZE, *(it.to(device) for it in channel_statistics(images, normalize=True)))
    net = place(network() if net is None else net, device)
    batches = TrainBatches(images.to(device), preprocessing, augmentation or Augmentation(), batch_size=16, seed=0)
    valid = EvalBatches(patterns(num_valid, noise=noise, seed=1).to(device), preprocessing, batch_size=16)

    def trained(net: nn.Module, steps: torch.optim.Optimizer, first: int, end: int) -> list[fit.Epoch]:
        found = fit.fit(
            net,
            steps,
            schedules.cosine(warmup=0.25, final_factor=0.0),
            train_batches=batches,
            valid_batches=valid,
            num_batches=batches.num_batches,
            epochs=epochs,
            first_epoch=first,
            dtype=dtype,
        )
        return list(itertools.islice(found, end - first))

    make = functools.partial(_OPTIMIZERS[optimizer], lr=lr, weight_decay=1e-4, decay_norm_and_bias=True)
    steps = make(net)
    found = trained(net, steps, 0, resumed_after or epochs)
    if resumed_after is not None:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(path := Path(folder) / "last.pt", {"network": net.state_dict(), "optimizer": steps.state_dict()})
            state = checkpoint.load(path)
        net = place(network(seed=1), device)
        net.load_state_dict(state["network"])
        steps = make(net)
        steps.load_state_dict(state["optimizer"])
        found += trained(net, steps, resumed_after, epochs)
    return net, found


@contextlib.contextmanager
def exact_fp32() -> Iterator[None]:
    """Compute fp32 on a GPU without TF32 and with deterministic algorithms."""
    settings = [(torch.backends.cuda.matmul, "allow_tf32", False), (torch.backends.cudnn, "allow_tf32", False)]
    settings += [(torch.backends.cudnn, "deterministic", True), (torch.backends.cudnn, "benchmark", False)]
    before = [getattr(where, name) for where, name, _ in settings]
    for where, name, value in settings:
        setattr(where, name, value)
    try:
        yield
    finally:
        for (where, name, _), value in zip(settings, before, strict=True):
            setattr(where, name, value)


@contextlib.contextmanager
def compiler_of(device: torch.device) -> Iterator[None]:
    """Compile as usual on a GPU; on a CPU, which may have no compiler, only capture the graph."""
    compiler = torch.compile if device.type == "cuda" else functools.partial(torch.compile, backend="eager")
    with unittest.mock.patch.object(torch, "compile", compiler):
        yield


def check_logits(device: torch.device) -> str:
    """The seed's stem and a DenseNet-BC give the processor's logits, in evaluation and in training mode."""
    largest = 0.0
    with exact_fp32(), torch.no_grad():
        for changes in ({}, {"stem": "imagenet", "bn_size": None, "conv_bias": True, "initialization": "xavier"}):
            images_BCHW = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
            for is_training in (True, False):
                expected_BK = network(**changes).train(is_training)(images_BCHW)
                found_BK = place(network(**changes), device).train(is_training)(images_BCHW.to(device)).cpu()
                torch.testing.assert_close(found_BK, expected_BK, rtol=1e-3, atol=1e-4)
                largest = max(largest, (found_BK - expected_BK).abs().max().item())
    return f"largest difference {largest:.1e}"


def check_losses(device: torch.device) -> str:
    """Two epochs give the processor's losses, accuracies and learning rates in fp32."""
    with exact_fp32():
        expected, found = train(CPU)[1], train(device)[1]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.train_loss, theirs.train_loss, rtol=2e-3, atol=1e-4)
        torch.testing.assert_close(ours.validation.loss, theirs.validation.loss, rtol=2e-3, atol=1e-3)  # type: ignore[union-attr]
        assert ours.lr == theirs.lr
    return f"{found[-1].train_loss:.5f} against {expected[-1].train_loss:.5f}"


def check_bf16(device: torch.device) -> str:
    """Two epochs in bf16 give roughly the fp32 losses of the same device."""
    expected, found = train(device)[1][-1].train_loss, train(device, dtype=torch.bfloat16)[1][-1].train_loss
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.02)
    return f"{found:.5f} against {expected:.5f}"


def check_optimizers(device: torch.device) -> str:
    """Each optimizer moves the kernels as on the CPU; Muon's bf16 products turn them a little."""
    seen = []
    for name in _OPTIMIZERS:
        lr = 1e-3 if name == "adamw" else 0.05
        with exact_fp32():
            moved = [_moves(train(where, optimizer=name, lr=lr, epochs=1)[0]) for where in (CPU, device)]
        cosine = nn.functional.cosine_similarity(moved[0], moved[1], dim=0).item()
        assert cosine > (0.98 if name in ("muon", "adamw") else 0.999), (
            f"optimizer={name}: the moves have a cosine of {cosine:.4f}"
        )
        seen.append(f"{name} {cosine:.5f}")
    return "cosines " + ", ".join(seen)


def _moves(trained: nn.Module) -> Tensor:
    fresh = dict(network().named_parameters())
    return torch.cat([(weight.detach().cpu() - fresh[name]).flatten() for name, weight in trained.named_parameters()]).detach()


def check_chosen_images(device: torch.device) -> str:
    """Only the selected images of a set go to the device, unchanged."""
    with unittest.mock.patch.object(images_module, "BLOCK_BYTES", 9):
        pixels_MCHW = torch.arange(200, dtype=torch.uint8).reshape(50, 1, 2, 2)
        selected = Images(pixels_MCHW, torch.arange(50)).select(torch.tensor([9, 2, 30, 31, 1]))
        there = selected.to(device)
        assert device.type == "cpu" or there.pixels_MCHW.shape == (5, 1, 2, 2)
        assert there.digest == selected.digest
        one = torch.tensor([1])
        assert there.joined(there.select(one.to(device))).digest == selected.joined(selected.select(one)).digest
    return ""


def check_batches(device: torch.device) -> str:
    """Batches without random changes equal the CPU's; random changes drawn on the device are repeatable."""
    images = patterns(40, size=SIZE + 4)
    preprocessing = {
        where: Preprocessing(SIZE, torch.zeros(3, device=where), torch.ones(3, device=where)) for where in (CPU, device)
    }

    def drawn(where: torch.device, augmentation: Augmentation, epoch: int) -> list[tuple[Tensor, Tensor]]:
        batches = TrainBatches(images.to(where), preprocessing[where], augmentation, batch_size=16, seed=3)
        return [(floats_BCHW.cpu(), labels_B.cpu()) for floats_BCHW, labels_B in batches(epoch)]

    for augmentation in (Augmentation(), Augmentation(horizontal_flip="alternating")):
        for ours, theirs in zip(drawn(device, augmentation, 1), drawn(CPU, augmentation, 1), strict=True):
            # Values halfway between two levels are rounded either way.
            torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1.01 / 255)
            assert torch.equal(ours[1], theirs[1])
    everything = Augmentation(crop_padding=2, horizontal_flip=True, cutout_size=4)
    first, again = drawn(device, everything, 2), drawn(device, everything, 2)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], drawn(device, everything, 3)[0][0])
    return ""


# Each changes images, or their targets, by numbers of their own.
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "vertical_flip": {"vertical_flip": True},
    "crop_area": {"crop_area": 0.3},
    "rotation": {"rotation": 45.0},
    "translation": {"translation": 0.3},
    "scaling": {"scaling": 0.4},
    "shear": {"shear": 30.0},
    "trivial_augment": {"trivial_augment": 1.0},
    "brightness": {"brightness": 0.5},
    "contrast": {"contrast": 0.5},
    "saturation": {"saturation": 0.5},
    "hue": {"hue": 0.4},
    "erasing": {"erasing": 0.5},
    "mixup": {"mixup": 1.0},
    "cutmix": {"cutmix": 1.0},
}


def check_augmentations(device: torch.device) -> str:
    """Each option draws anew for each image and epoch, repeatably, and gives the CPU's images and targets."""
    one = patterns(1, size=2 * SIZE)
    same = Images(one.pixels_MCHW.repeat(16, 1, 1, 1), torch.arange(16) % 4)
    largest = 0.0
    for name, options in AUGMENTATIONS.items():

        def drawn(where: torch.device, epoch: int, options: dict[str, Any] = options) -> tuple[Tensor, Tensor]:
            preprocessing = Preprocessing(2 * SIZE, torch.zeros(3, device=where), torch.full((3,), 1 / 255, device=where))
            batches = TrainBatches(same.to(where), preprocessing, Augmentation(**options), batch_size=16, seed=3)
            [(floats_BCHW, labels)] = batches(epoch)
            return floats_BCHW.cpu(), labels.cpu()

        floats_BCHW, labels = drawn(device, 0)
        if name in ("mixup", "cutmix"):  # of equal images, whose shares differ
            assert len(labels.amax(dim=1).unique()) > 2, f"{name}: the images of a batch are mixed in the same shares"
            assert not torch.equal(labels, drawn(device, 1)[1]), f"{name}: two epochs are mixed in the same way"
        else:
            assert len(floats_BCHW.unique(dim=0)) > 1, f"{name}: the images of a batch are changed in the same way"
            assert not torch.equal(floats_BCHW, drawn(device, 1)[0]), f"{name}: two epochs are changed in the same way"
        again, expected = drawn(device, 0), drawn(CPU, 0)
        assert torch.equal(floats_BCHW, again[0]), f"{name}: an epoch is not repeated"
        torch.testing.assert_close(labels, expected[1], rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
        # On average: a value at the threshold of a change may fall to either side.
        difference = (floats_BCHW - expected[0]).abs().mean().item()
        assert difference < 0.5, f"{name}: differs from the CPU by {difference:.3f} levels on average"
        largest = max(largest, difference)
    return f"{len(AUGMENTATIONS)} options, at most {largest:.1e} levels from the CPU's on average"


def _everything() -> Augmentation:
    options = {name: value for each in AUGMENTATIONS.values() for name, value in each.items()}
    return Augmentation(crop_padding=2, horizontal_flip=True, cutout_size=4, **options)


def check_resumed(device: torch.device) -> str:
    """A training with every random change continues from a file as if it had not stopped: on a CPU to the bit."""
    with exact_fp32():
        whole = train(device, augmentation=_everything(), epochs=3)[1]
        parts = train(device, augmentation=_everything(), epochs=3, resumed_after=1)[1]
    losses = [[epoch.train_loss for epoch in epochs] for epochs in (whole, parts)]
    assert len(losses[1]) == 3
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-4)
    assert device.type != "cpu" or losses[0] == losses[1]
    return "to the bit" if losses[0] == losses[1] else f"{losses[0][-1]:.6f} and {losses[1][-1]:.6f}, not to the bit"


def check_evaluation(device: torch.device) -> str:
    """An evaluation gives the CPU's confusion matrix."""
    images = patterns(64)
    found = {}
    with exact_fp32():
        for where in (CPU, device):
            preprocessing = Preprocessing(SIZE, torch.zeros(3, device=where), torch.ones(3, device=where))
            net = place(network(), where)
            found[where.type] = evaluate(
                net, EvalBatches(images.to(where), preprocessing, batch_size=24)(), dtype=torch.float32
            )
    expected, ours = found["cpu"], found[device.type]
    assert (ours.confusion_KK - expected.confusion_KK).abs().sum() <= 2  # a tie may fall either way
    torch.testing.assert_close(ours.loss, expected.loss, rtol=1e-3, atol=1e-4)
    return f"accuracy {ours.accuracy:.4f}"


def check_memory_efficient(device: torch.device) -> str:
    """`memory_efficient` gives the gradients and BatchNorm statistics of the plain path."""
    images_BCHW = torch.randn(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).to(device)
    sides = []
    with exact_fp32():
        for memory_efficient in (False, True):
            net = place(network(memory_efficient=memory_efficient), device)
            net(images_BCHW).square().mean().backward()
            sides.append([weight.grad.cpu() for weight in net.parameters()] + [it.cpu() for it in net.buffers()])  # type: ignore[union-attr]
    for ours, theirs in zip(*sides, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    is_same = all(torch.equal(ours, theirs) for ours, theirs in zip(*sides, strict=True))
    return "the same to the bit" if is_same else "within 1e-4, not to the bit"


def check_repeats(device: torch.device) -> str:
    """A repeated training is the same to the bit on a CPU; for a GPU, report whether it is under the supplied settings."""
    augmentation = Augmentation(crop_padding=2, horizontal_flip=True)
    runs = [train(device, augmentation=augmentation, net=network(drop_rate=0.2))[1] for _ in range(2)]
    losses = [[epoch.train_loss for epoch in epochs] for epochs in runs]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-2, atol=1e-3)
    assert device.type != "cpu" or losses[0] == losses[1]
    return "to the bit" if losses[0] == losses[1] else f"{losses[0][-1]:.6f} and {losses[1][-1]:.6f}, not to the bit"


def check_checkpoint(device: torch.device) -> str:
    """Weights and optimizer state survive a file and the CPU, so that the next step is the same."""
    images_BCHW = torch.randn(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).to(device)

    def step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        net(images_BCHW).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    for name, make in _OPTIMIZERS.items():
        with exact_fp32(), tempfile.TemporaryDirectory() as folder:
            net = place(network(), device)
            optimizer = make(net, lr=0.01, weight_decay=1e-4, decay_norm_and_bias=True)
            step(net, optimizer)
            path = Path(folder) / "last.pt"
            checkpoint.save(path, {"network": net.state_dict(), "optimizer": optimizer.state_dict()})
            state = checkpoint.load(path)
            assert {weight.device.type for weight in state["network"].values()} == {"cpu"}
            other = place(network(), device)
            again = make(other, lr=0.01, weight_decay=1e-4, decay_norm_and_bias=True)
            other.load_state_dict(state["network"])
            again.load_state_dict(state["optimizer"])
            step(net, optimizer)
            step(other, again)
            for ours, theirs in zip(other.parameters(), net.parameters(), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7, msg=lambda text, name=name: f"{name}: {text}")
    return ", ".join(_OPTIMIZERS)


def check_no_waiting(device: torch.device) -> str:
    """Steps, batches and augmentations never make the host wait for the device."""
    counts = []
    net = place(network(), device)
    augmentation = _everything()
    often = dict.fromkeys(("_STEPS_BETWEEN_CHECKS_ON_CPU", "_STEPS_BETWEEN_CHECKS_ON_GPU"), 10**6)
    with unittest.mock.patch.multiple(fit, **often):
        for num_images in (32, 32, 160):  # the first also loads the libraries
            with _counted_waits(device) as waits:
                train(device, net=net, num_images=num_images, augmentation=augmentation, epochs=1)
            counts.append(len(waits))
    assert counts[1] == counts[2], f"the host waited {counts[1]} times in 2 steps and {counts[2]} times in 10"
    return f"{counts[1]} waits an epoch, whatever its steps"


@contextlib.contextmanager
def _counted_waits(device: torch.device) -> Iterator[list[warnings.WarningMessage]]:
    if device.type != "cuda":
        yield []
        return
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits[:] = [it for it in waits if "synchroniz" in str(it.message)]


def check_peak_memory(device: torch.device) -> str:
    """An epoch's peak is the device's own, and is reset for each training."""
    large = train(device, epochs=1, net=network(growth_rate=32))[1][0].peak_memory_bytes or 0
    small = train(device, epochs=1)[1][0].peak_memory_bytes or 0
    if device.type == "cuda":
        assert small < large <= torch.cuda.get_device_properties(device).total_memory
    return f"{small / 2**20:,.1f} and {large / 2**20:,.1f} MiB"


def check_compile(device: torch.device) -> str:
    """`compile=true` gives the eager losses."""
    said: list[str] = []
    with compiler_of(device):
        net = Compiled(network(), 16, num_steps=24, say=said.append)
        found = train(device, net=net, epochs=3)[1][-1].train_loss
        expected = train(device, epochs=3)[1][-1].train_loss
    torch.testing.assert_close(found, expected, rtol=0.02, atol=1e-3)
    assert len(said) == 1
    return said[0]


def check_divergence(device: torch.device) -> str:
    """A loss that is not a number ends the training with `DivergedError`."""
    try:
        train(device, optimizer="sgd", lr=math.inf)
    except fit.DivergedError as error:
        return str(error).partition(":")[0]
    raise AssertionError("a learning rate of inf trained")


# In order of worth.
CHECKS: dict[str, Callable[[torch.device], str]] = {
    "logits": check_logits,
    "losses": check_losses,
    "bf16": check_bf16,
    "optimizers": check_optimizers,
    "chosen images": check_chosen_images,
    "batches": check_batches,
    "augmentations": check_augmentations,
    "resumed": check_resumed,
    "evaluation": check_evaluation,
    "memory_efficient": check_memory_efficient,
    "checkpoint": check_checkpoint,
    "no waiting": check_no_waiting,
    "peak memory": check_peak_memory,
    "repeats": check_repeats,
    "divergence": check_divergence,
    "compile": check_compile,
}
