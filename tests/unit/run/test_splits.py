"""The images of a run, before it begins."""

import numpy as np
import pytest
import torch

from densenet_sweep.data.images import Found, HeldBack, Images, Source
from densenet_sweep.run.splits import check_tested


def source_of(labels_N: np.ndarray) -> Source:
    train = Images(torch.zeros(2, 1, 1, 1, dtype=torch.uint8), torch.tensor([0, 1]))
    found = Found(["a.png"], np.zeros(1), np.arange(len(labels_N)), labels_N)
    return Source(("cats", "dogs"), train, HeldBack(lambda: train), found=found)


@pytest.mark.parametrize("objective", ["valid_auroc", "valid_average_precision"])
def test_test_images_that_do_not_give_the_objective_are_refused_before_the_training(objective):
    with pytest.raises(ValueError, match=rf"^objective={objective}: all test images are of class dogs, which gives no test_"):
        check_tested(source_of(np.array([1, 1, 1])), objective)
    with pytest.raises(ValueError, match=r": all test images have the same labels, which gives no test_"):
        check_tested(source_of(np.array([[1, 0], [1, 0]])), objective)
    check_tested(source_of(np.array([1, 1, 0])), objective)
    check_tested(source_of(np.array([[1, 0], [0, 0]])), objective)


def test_other_objectives_take_any_test_images():
    for objective in ("valid_accuracy", "valid_loss", "valid_balanced_accuracy", "valid_log_loss", "num_macs"):
        check_tested(source_of(np.array([1, 1])), objective)
