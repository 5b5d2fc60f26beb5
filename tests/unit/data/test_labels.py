"""Images with any number of labels each."""

import numpy as np
import pytest
import torch

from densenet_sweep.data import labels
from densenet_sweep.data.images import Images
from densenet_sweep.data.split import check_classes, split


def test_counts_are_those_of_the_labels():
    labels_NK = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 0, 0]])
    assert labels.counts(labels_NK, 3) == [2, 0, 1]
    assert labels.num_without(labels_NK) == 1
    assert labels.counts(np.array([2, 2, 0]), 4) == [1, 0, 2, 0]
    assert labels.num_without(torch.tensor([0, 1])) == 0


def test_an_image_belongs_to_the_stratum_of_its_rarest_label():
    labels_NK = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0]])  # 3, 2 and 1 images
    assert labels.strata(labels_NK).tolist() == [1, 0, 2, 0, 3]
    assert labels.strata(np.array([2, 0, 1])).tolist() == [2, 0, 1]


def test_a_split_keeps_the_proportions_of_rare_labels():
    generator = np.random.default_rng(0)
    labels_NK = torch.from_numpy((generator.random((400, 3)) < (0.5, 0.2, 0.03)).astype(np.int64))
    images = Images(torch.zeros(400, 1, 1, 1, dtype=torch.uint8), labels_NK)
    train, valid = split(images, valid_fraction=0.25, num_train=None, seed=0)
    assert len(valid) == 100
    in_all, in_valid = labels.counts(labels_NK, 3), labels.counts(valid.labels_N, 3)
    assert abs(in_valid[2] - in_all[2] / 4) <= 1
    assert in_valid[1] == pytest.approx(in_all[1] / 4, abs=4)
    check_classes(train, valid, ("a", "b", "c"))
    lacking = images.select((labels_NK[:, 2] == 0).nonzero()[:, 0])
    with pytest.raises(ValueError, match=r"^class c has no image: a class needs an image for training"):
        check_classes(lacking, lacking, ("a", "b", "c"))
