"""Evaluation of a network on batches in a fixed order.

Shape suffixes: N images of a split, B images in a batch, C channels, H height, W width, K classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from densenet_sweep.training.precision import autocast


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's results on a split, on the CPU.

    The mean loss in nats per image, the accuracy in [0, 1], image counts by true (row) and predicted class, and whether each
    image was classified correctly, in the order of the split.
    """

    loss: float
    accuracy: float
    confusion_KK: Tensor
    is_right_N: Tensor


@torch.inference_mode()
def evaluate(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, dtype: torch.dtype) -> Evaluation:
    """Return the loss and accuracy of `network` in evaluation mode; the training mode is restored afterwards.

    Args:
        network: maps float images_BCHW to logits_BK, on the device of the batches.
        batches: pairs (images_BCHW, labels_B).
        dtype: of the forward pass; the loss is always computed in fp32.

    Raises:
        ValueError: no batch at all.
    """
    was_training = network.training
    network.eval()
    losses: list[Tensor] = []
    pairs: list[Tensor] = []
    rights: list[Tensor] = []
    num_classes = 0
    try:
        for images_BCHW, labels_B in batches:
            with autocast(images_BCHW.device, dtype):
                logits_BK = network(images_BCHW.contiguous(memory_format=torch.channels_last))
            logits_BK = logits_BK.float()
            num_classes = logits_BK.shape[1]
            losses.append(functional.cross_entropy(logits_BK, labels_B, reduction="sum"))
            predicted_B = logits_BK.argmax(dim=1)
            rights.append(predicted_B == labels_B)
            pairs.append(labels_B * num_classes + predicted_B)
    finally:
        network.train(was_training)
    if not losses:
        raise ValueError("nothing to evaluate: the split holds no image")
    # Counted once: on a GPU each count makes the host wait.
    confusion_KK = torch.bincount(torch.cat(pairs), minlength=num_classes**2).view(num_classes, num_classes).cpu()
    num_images = int(confusion_KK.sum())
    return Evaluation(
        loss=float(torch.stack(losses).sum(dtype=torch.float64)) / num_images,
        accuracy=int(confusion_KK.trace()) / num_images,
        confusion_KK=confusion_KK,
        is_right_N=torch.cat(rights).cpu(),
    )
