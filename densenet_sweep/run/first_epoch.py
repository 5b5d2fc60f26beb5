"""How long an epoch takes, measured on a few batches of random pixels: no image is read, and nothing is kept.

Augmentation, reading and recording are not in it, so an epoch takes rather longer.
"""

import time
from collections.abc import Callable, Iterator

import torch
from hydra_async_sweeper.application import num_cores
from torch import nn
from torch.nn import functional

from densenet_sweep.training.precision import autocast

_SECONDS = 1.0
_MOST_STEPS = 20


def seconds(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    batch_size: int,
    num_train: int,
    num_valid: int,
    device: torch.device,
    dtype: torch.dtype,
    num_workers: int,
) -> float:
    """Return the seconds of training and validation in one epoch.

    Args:
        network: on the device; it is trained a little.
        optimizer: of the network.
        image_shape: channels, height, width.
        num_classes: at most the network's outputs.
        batch_size: of the training; validation takes the same.
        num_train: images.
        num_valid: images.
        device: of the training.
        dtype: of the forward pass.
        num_workers: that share the processor, where that is the device.
    """
    batch_size = min(batch_size, num_train)
    images_BCHW = torch.rand(batch_size, *image_shape, device=device).contiguous(memory_format=torch.channels_last)
    labels_B = torch.arange(batch_size, device=device) % num_classes

    def train() -> None:
        with autocast(device, dtype):
            logits_BK = network(images_BCHW)
        functional.cross_entropy(logits_BK.float(), labels_B).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    def validate() -> None:
        with torch.inference_mode(), autocast(device, dtype):
            network(images_BCHW)

    num_threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, min(num_threads, num_cores() // num_workers)))
    try:
        network.train()
        of_training = min(_timed(train, device))
        network.eval()
        of_validation = min(_timed(validate, device))
    finally:
        torch.set_num_threads(num_threads)
    return (of_training * num_train + of_validation * num_valid) / batch_size


def _timed(step: Callable[[], None], device: torch.device) -> Iterator[float]:
    """Yield the seconds of each call of `step` but the first, for about `_SECONDS`."""
    began = time.perf_counter()
    for index in range(_MOST_STEPS + 1):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        if index > 0:
            yield time.perf_counter() - start
            if time.perf_counter() - began > _SECONDS:
                return
