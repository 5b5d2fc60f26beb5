"""Training losses: functions of a batch's outputs and labels, made once a run.

The target of an image is its class, labels_B of int64, or the share of each class, targets_BK: of images mixed in pairs. A loss
is linear in the shares. Of images with any number of labels it is multi-hot labels_BK of int64. Where the images have weights,
weights_B of the mean 1 over an epoch follow: each image's loss is multiplied by its own, and nothing else changes.
Shape suffixes: B images in a batch, K classes.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

# Maps logits_BK and labels_B, targets_BK or multi-hot labels_BK, and weights_B where there are some, to the batch's mean, in
# nats per image (or per label).
Loss = Callable[..., Tensor]

# The gradient of (1 - p)^gamma is infinite at p = 1 for a gamma below 1.
_LEAST_DOUBT = 1e-6


def cross_entropy(*, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """Return the cross entropy, averaged over the images by the weights of their classes, or of what they have of them.

    Args:
        class_weights: of K classes, above 0; None: all 1.
        label_smoothing: mass spread over the wrong classes, in [0, 1).
    """
    entropy = partial(functional.cross_entropy, weight=class_weights, label_smoothing=label_smoothing)

    def loss(logits_BK: Tensor, labels: Tensor, weights_B: Tensor | None = None) -> Tensor:
        if weights_B is not None:
            return (entropy(logits_BK, labels, reduction="none") * weights_B).sum() / _total_weight(labels, class_weights)
        if labels.ndim == 1:
            return entropy(logits_BK, labels)
        return entropy(logits_BK, labels, reduction="sum") / _total_weight(labels, class_weights)

    return loss


def focal(*, gamma: float, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """Return the focal loss (Lin et al., 2017): an image's cross entropy times (1 - p)^gamma, p being its class's probability.

    Args:
        gamma: at least 0; 0 gives the cross entropy.
        class_weights: as of `cross_entropy`.
        label_smoothing: as of `cross_entropy`.
    """

    def of_shares(logits_BK: Tensor, targets_BK: Tensor, weights_B: Tensor | float) -> Tensor:
        log_p_BK = functional.log_softmax(logits_BK, dim=1)
        weighted_BK = -log_p_BK if class_weights is None else -log_p_BK * class_weights
        entropy_BK = (1 - label_smoothing) * weighted_BK + label_smoothing * weighted_BK.mean(dim=1, keepdim=True)
        doubt_BK = -torch.expm1(log_p_BK)
        total = ((targets_BK * entropy_BK * doubt_BK.clamp(min=_LEAST_DOUBT) ** gamma).sum(dim=1) * weights_B).sum()
        return total / _total_weight(targets_BK, class_weights)

    def loss(logits_BK: Tensor, labels_B: Tensor, weights_B: Tensor | float = 1.0) -> Tensor:
        if labels_B.ndim == 2:
            return of_shares(logits_BK, labels_B, weights_B)
        entropy_B = functional.cross_entropy(
            logits_BK, labels_B, weight=class_weights, label_smoothing=label_smoothing, reduction="none"
        )
        log_p_B = functional.log_softmax(logits_BK, dim=1).gather(1, labels_B[:, None]).squeeze(1)
        doubt_B = -torch.expm1(log_p_B)
        total = (entropy_B * doubt_B.clamp(min=_LEAST_DOUBT) ** gamma * weights_B).sum()
        return total / _total_weight(labels_B, class_weights)

    return loss


def _total_weight(labels: Tensor, class_weights: Tensor | None) -> Tensor | int:
    """Return the sum of the weights that labels_B or targets_BK have by their classes, by which a loss is averaged."""
    if class_weights is None:
        return len(labels)
    return class_weights[labels].sum() if labels.ndim == 1 else (labels @ class_weights).sum()


def binary_cross_entropy(*, class_weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """Return the binary cross entropy, averaged over images and labels, of multi-hot labels_BK.

    Args:
        class_weights: of K labels, above 0: how much an image with the label counts beside one without; None: as much.
        label_smoothing: s in [0, 1): the targets are s/2 and 1 - s/2.
    """

    def loss(logits_BK: Tensor, labels_BK: Tensor, weights_B: Tensor | None = None) -> Tensor:
        targets_BK = labels_BK.to(logits_BK.dtype)
        weights_B1 = None if weights_B is None else weights_B[:, None]
        if label_smoothing:
            targets_BK = targets_BK + label_smoothing * (0.5 - targets_BK)
        return functional.binary_cross_entropy_with_logits(logits_BK, targets_BK, weights_B1, pos_weight=class_weights)

    return loss
