"""The weight of each class in the loss, from the config and the training images."""

import torch
from torch import Tensor

from densenet_sweep.config.checks import class_weights_error
from densenet_sweep.config.schema import ConfigError, LossConfig
from densenet_sweep.data.labels import is_multi_label, totals


def class_weights(
    config: LossConfig, labels_N: Tensor, *, num_classes: int, num_outputs: int, weights_N: Tensor | None = None
) -> Tensor | None:
    """Return the weights of the network's outputs on the device of the labels; None where all are 1.

    Balanced ones are n / (K n_k), so that each class has the same sum; an output without a class has weight 1. Of images with
    any number of labels, they are (n - n_k) / n_k: those that have a label then count as much as those that lack it. Of images
    with weights, n and n_k are sums of these.

    Args:
        config: of the loss.
        labels_N: of the training images; of several labels each, multi-hot labels_NK.
        num_classes: of the data set.
        num_outputs: of the network, at least as many.
        weights_N: of the images; see `Images`.

    Raises:
        ConfigError: another number of weights than classes.
    """
    if config.class_weights == "none":
        return None
    weights_K = torch.ones(num_outputs, device=labels_N.device)
    if config.class_weights == "balanced":
        having_K = totals(labels_N, num_classes, weights_N)
        total = float(len(labels_N) if weights_N is None else weights_N.cpu().double().sum())
        if is_multi_label(labels_N):
            # A label that all images have counts as if one image, of the mean weight, lacked it.
            balanced_K = (total - having_K).clamp(min=total / len(labels_N)) / having_K
        else:
            present_K = having_K > 0
            balanced_K = torch.where(present_K, total / (present_K.sum() * having_K), 1.0)
        weights_K[:num_classes] = balanced_K.to(weights_K)
        return weights_K
    if len(config.class_weights) != num_classes:
        raise ConfigError(class_weights_error(config.class_weights, num_classes))
    weights_K[:num_classes] = torch.tensor(config.class_weights).to(weights_K)
    return weights_K
