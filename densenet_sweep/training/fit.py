"""The training loop: a generator of epochs.

Owns the order of forward, backward, clipping, learning rate and step; knows no config, no files and no tracker.
Shape suffixes: B images in a batch, C channels, H height, W width, K classes.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from densenet_sweep.training import malloc
from densenet_sweep.training.ema import WeightAverage
from densenet_sweep.training.evaluation import Evaluation, evaluate, is_right
from densenet_sweep.training.finetuning import Frozen
from densenet_sweep.training.losses import Loss
from densenet_sweep.training.precision import autocast
from densenet_sweep.training.schedules import Schedule

Batches = Iterable[tuple[Tensor, Tensor]]

# The same, or followed by weights_B.
TrainBatches = Iterable[tuple[Tensor, ...]]

# How often the loss is checked inside an epoch: rarely on a GPU, where each check makes the host wait.
_STEPS_BETWEEN_CHECKS_ON_CPU, _STEPS_BETWEEN_CHECKS_ON_GPU = 32, 512


class DivergedError(ArithmeticError):
    """The training loss is not a finite number any more."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """The results of one pass over the training images.

    Losses are nats per image, accuracies fractions in [0, 1]; those of training are means over the epoch's own batches,
    augmented and in training mode. Its loss is the one that is minimized, with the images' weights. Its accuracy counts each
    image once; a mixed image is right where the class of its larger share is predicted. `lr` is that of the last step.
    `seconds` spans training and validation, `images_per_second` training alone. `peak_memory_bytes` is that of the tensors on a
    GPU in this epoch; on a CPU that of the process since this training began, or None where the system does not report it.
    `validation` is None where nothing is held out. `is_last` marks the last epoch of the training.
    """

    index: int
    is_last: bool
    train_loss: float
    train_accuracy: float
    validation: Evaluation | None
    lr: float
    seconds: float
    images_per_second: float
    peak_memory_bytes: int | None


def fit(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    *,
    train_batches: Callable[[int], TrainBatches],
    valid_batches: Callable[[], Batches] | None,
    num_batches: int,
    epochs: int,
    first_epoch: int = 0,
    max_seconds: float | None = None,
    seconds_before: float = 0.0,
    dtype: torch.dtype = torch.float32,
    loss: Loss = functional.cross_entropy,
    max_grad_norm: float | None = None,
    frozen: Frozen = Frozen(()),  # noqa: B008 - immutable
    average: WeightAverage | None = None,
    evaluated: nn.Module | None = None,
    seed: int = 0,
) -> Iterator[Epoch]:
    """Train `network` in place and yield after each epoch.

    At each `yield` the epoch's optimizer steps are done and the network has been validated, so a checkpoint taken there
    is consistent: with `first_epoch` one above the last index yielded, a new call continues with bitwise the same
    numbers on a CPU. To that end the global random state (dropout draws from it) is set from (seed, epoch).

    Args:
        network: maps float images_BCHW to logits_BK; on the device of the batches.
        optimizer: its `lr` at the call is the peak that `schedule` scales.
        schedule: progress in [0, 1) to a factor, called before every step.
        train_batches: epoch index to that epoch's pairs (images_BCHW, labels_B), or targets_BK of mixed images;
            where images have weights, triples with weights_B, which are passed to the loss.
        valid_batches: the validation split's pairs, or None where nothing is held out.
        num_batches: how many pairs `train_batches` yields in an epoch.
        epochs: index at which training ends.
        first_epoch: index to begin with.
        max_seconds: ends training after this time, if `epochs` do not end it earlier; the schedule then follows the time. A
            last validation follows.
        seconds_before: seconds of `max_seconds` that the epochs before `first_epoch` took.
        dtype: of the forward pass (autocast); parameters and loss stay fp32.
        loss: of a batch, which is minimized.
        max_grad_norm: bound of the gradient's global 2-norm, or None.
        frozen: parts of `network` that are not trained, or not yet.
        average: of the weights of `network`, updated after each step.
        evaluated: what is validated in place of `network`, such as the network of `average`.
        seed: of dropout.

    Raises:
        DivergedError: the training loss became infinite or not a number.
    """
    device = next(network.parameters()).device
    steps_between_checks = _STEPS_BETWEEN_CHECKS_ON_CPU if device.type == "cpu" else _STEPS_BETWEEN_CHECKS_ON_GPU
    spent = seconds_before
    # The peak is kept in the group itself, as torch's own schedulers do: it then survives a checkpoint.
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    is_last = max_seconds is not None and spent >= max_seconds
    is_measured = device.type == "cuda" or malloc.reset_peak()
    for index in range(first_epoch, epochs):
        if is_last:
            return
        torch.manual_seed(_mix(seed, index))
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        start = time.perf_counter()
        network.train()
        frozen.set_for(index)
        loss_sum = torch.zeros((), device=device)
        num_correct = torch.zeros((), dtype=torch.int64, device=device)
        num_images = 0
        lr = 0.0
        for step, (images_BCHW, labels, *weights) in enumerate(train_batches(index)):
            progress = (index * num_batches + step) / (epochs * num_batches)
            if max_seconds is not None:
                progress = min(1.0, max(progress, (spent + time.perf_counter() - start) / max_seconds))
                if progress == 1.0 and num_images > 0:
                    break
            factor = schedule(progress)
            for group in optimizer.param_groups:
                group["lr"] = lr = group["initial_lr"] * factor
            with autocast(device, dtype):
                logits_BK = network(images_BCHW.contiguous(memory_format=torch.channels_last))
            logits_BK = logits_BK.float()
            batch_loss = loss(logits_BK, labels, *weights)
            batch_loss.backward()  # type: ignore[no-untyped-call]  # torch 2.15 has no annotation there
            if max_grad_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)
            optimizer.step()
            if average is not None:
                average.update()
            optimizer.zero_grad()
            with torch.no_grad():
                loss_sum += batch_loss * len(labels)
                # Shares of classes, of mixed images, are floats; several labels an image are whole numbers.
                num_correct += is_right(logits_BK, labels.argmax(dim=1) if labels.is_floating_point() else labels).sum()
            num_images += len(labels)
            if step % steps_between_checks == 0:
                _check_finite(loss_sum, index, step)
        _check_finite(loss_sum, index, num_batches - 1)
        trained = time.perf_counter()
        judged = network if evaluated is None else evaluated
        validation = None if valid_batches is None else evaluate(judged, valid_batches(), dtype=dtype)
        seconds = time.perf_counter() - start
        spent += seconds
        is_last = index + 1 == epochs or (max_seconds is not None and spent >= max_seconds)
        yield Epoch(
            index=index,
            is_last=is_last,
            train_loss=loss_sum.item() / num_images,
            train_accuracy=num_correct.item() / num_images,
            validation=validation,
            lr=lr,
            seconds=seconds,
            images_per_second=num_images / (trained - start),
            peak_memory_bytes=_peak_memory_bytes(device) if is_measured else None,
        )


def _check_finite(loss_sum: Tensor, epoch: int, step: int) -> None:
    value = loss_sum.item()
    if not math.isfinite(value):
        raise DivergedError(
            f"training diverged: the loss is {value} in epoch {epoch + 1}, step {step + 1}; "
            "a lower learning rate or gradient clipping usually helps"
        )


def _mix(seed: int, epoch: int) -> int:
    """Return a seed for one epoch; the odd constant (2^64 over the golden ratio) keeps neighbours apart."""
    return (seed * 0x9E3779B97F4A7C15 + epoch) % 2**63


def _peak_memory_bytes(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else malloc.peak_bytes()
