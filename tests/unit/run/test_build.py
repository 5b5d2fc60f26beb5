"""The parts of a run, as a config names them."""

import pytest
import torch

from densenet_sweep.config.schema import ConfigError, LossConfig
from densenet_sweep.data.images import Images
from densenet_sweep.run import build

LOGITS_BK = torch.tensor([[0.9, 0.1], [0.8, 0.2]]).log()
NUMBERS = {"num_classes": 2, "num_outputs": 2, "label_smoothing": 0.0}


def of_two_arguments(*, class_weights, label_smoothing):  # noqa: ARG001
    return lambda logits, labels: logits.sum()  # noqa: ARG005


def of_three_arguments(*, class_weights, label_smoothing):  # noqa: ARG001
    return lambda logits, labels, weights=None: logits.sum()  # noqa: ARG005


def images(weights: list[float] | None) -> Images:
    given = None if weights is None else torch.tensor(weights)
    return Images(torch.zeros(2, 1, 1, 1, dtype=torch.uint8), torch.tensor([0, 1]), weights_N=given)


def test_a_loss_that_takes_no_weights_is_refused_where_images_have_some():
    own = [LossConfig(f"{__name__}.{name}", "none") for name in ("of_two_arguments", "of_three_arguments")]
    trusted = [f"{__name__}.*"]
    build.loss(own[0], images(None), torch.device("cpu"), **NUMBERS, trusted=trusted)
    build.loss(own[1], images([1, 3]), torch.device("cpu"), **NUMBERS, trusted=trusted)
    with pytest.raises(
        ConfigError, match=r"^data\.weight_column: .*of_two_arguments takes logits and labels alone; a loss that"
    ):
        build.loss(own[0], images([1, 3]), torch.device("cpu"), **NUMBERS, trusted=trusted)
