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

    The mean cross entropy in nats per image, the accuracy in [0, 1], and image counts by true (row) and predicted class; in the
    order of the split, whether each image was classified correctly, the outputs and the labels.

    Of images with any number of labels, labels_N are multi-hot labels_NK: the loss is the binary cross entropy in nats per
    label, an image is right if all its labels are (a label is predicted from a probability of one half on; scikit-learn's
    accuracy_score is the same), and there are no counts by predicted class.
    """

    loss: float
    accuracy: float
    confusion_KK: Tensor | None
    is_right_N: Tensor
    logits_NK: Tensor
    labels_N: Tensor


def is_right(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    """Return is_right_B, for labels_B or multi-hot labels_BK."""
    if labels_B.ndim == 2:
        return ((logits_BK >= 0) == (labels_B > 0)).all(dim=1)
    return logits_BK.argmax(dim=1) == labels_B


@torch.inference_mode()
def evaluate(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, dtype: torch.dtype) -> Evaluation:
    """Return the results of `network` in evaluation mode; the training mode is restored afterwards.

    Args:
        network: maps float images_BCHW to logits_BK, on the device of the batches.
        batches: pairs (images_BCHW, labels_B), or with multi-hot labels_BK.
        dtype: of the forward pass; the loss is always computed in fp32.

    Raises:
        ValueError: no batch at all.
    """
    was_training = network.training
    network.eval()
    losses: list[Tensor] = []
    outputs: list[Tensor] = []
    labels: list[Tensor] = []
    try:
        for images_BCHW, labels_B in batches:
            with autocast(images_BCHW.device, dtype):
                logits_BK = network(images_BCHW.contiguous(memory_format=torch.channels_last))
            logits_BK = logits_BK.float()
            losses.append(_summed_loss(logits_BK, labels_B))
            outputs.append(logits_BK)
            labels.append(labels_B)
    finally:
        network.train(was_training)
    if not losses:
        raise ValueError("nothing to evaluate: the split holds no image")
    # Together: on a GPU each copy makes the host wait.
    logits_NK, labels_N = torch.cat(outputs).cpu(), torch.cat(labels).cpu()
    num_images, num_classes = logits_NK.shape
    is_right_N = is_right(logits_NK, labels_N)
    confusion_KK = None
    if labels_N.ndim == 1:
        pairs_N = labels_N * num_classes + logits_NK.argmax(dim=1)
        confusion_KK = torch.bincount(pairs_N, minlength=num_classes**2).view(num_classes, num_classes)
    return Evaluation(
        loss=float(torch.stack(losses).cpu().sum(dtype=torch.float64)) / num_images,
        accuracy=int(is_right_N.sum()) / num_images,
        confusion_KK=confusion_KK,
        is_right_N=is_right_N,
        logits_NK=logits_NK,
        labels_N=labels_N,
    )


def _summed_loss(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    if labels_B.ndim == 1:
        return functional.cross_entropy(logits_BK, labels_B, reduction="sum")
    loss_BK = functional.binary_cross_entropy_with_logits(logits_BK, labels_B.to(logits_BK.dtype), reduction="none")
    return loss_BK.mean(dim=1).sum()
