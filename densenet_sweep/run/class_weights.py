"""The weight of each class in the loss, from the config and the training images."""

import torch
from torch import Tensor

from densenet_sweep.config.checks import class_weights_error
from densenet_sweep.config.schema import ConfigError, LossConfig
from densenet_sweep.data.labels import is_multi_label


def class_weights(config: LossConfig, labels_N: Tensor, *, num_classes: int, num_outputs: int) -> Tensor | None:
    """Return the weights of the network's outputs on the device of the labels; None where all are 1.

    Balanced ones are n / (K n_k), so that each class has the same sum; an output without a class has weight 1. Of images with
    any number of labels, they are (n - n_k) / n_k: those that have a label then count as much as those that lack it.

    Args:
        config: of the loss.
        labels_N: of the training images; of several labels each, multi-hot labels_NK.
        num_classes: of the data set.
        num_outputs: of the network, at least as many.

    Raises:
        ConfigError: another number of weights than classes.
    """
    if config.class_weights == "none":
        return None
    weights_K = torch.ones(num_outputs, device=labels_N.device)
    if config.class_weights == "balanced" and is_multi_label(labels_N):
        num_with_K = labels_N.sum(dim=0)
        weights_K[:num_classes] = (len(labels_N) - num_with_K).clamp(min=1) / num_with_K
        return weights_K
    if config.class_weights == "balanced":
        import numpy as np
        from sklearn.utils.class_weight import compute_class_weight

        labels = labels_N.cpu().numpy()
        present = np.unique(labels)
        weights_K[present] = torch.as_tensor(compute_class_weight("balanced", classes=present, y=labels)).to(weights_K)
        return weights_K
    if len(config.class_weights) != num_classes:
        raise ConfigError(class_weights_error(config.class_weights, num_classes))
    weights_K[:num_classes] = torch.tensor(config.class_weights).to(weights_K)
    return weights_K
