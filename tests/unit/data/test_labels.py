"""Images with any number of labels each."""

import numpy as np
import pytest
import torch

from densenet_sweep.data import labels
from densenet_sweep.data.folds import fold_rows
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
    alike = images.select((labels_NK == torch.tensor([1, 1, 0])).all(dim=1).nonzero()[:, 0])
    with pytest.raises(ValueError, match=r"^all images for validation have the same labels; some with and some without"):
        check_classes(train, alike, ("a", "b", "c"))


def test_what_may_be_one_class_is_said():
    assert labels.alike(["1", "01", "1.0", "2"]) == "classes 1 and 01 and 1.0 may be one"
    assert (
        labels.alike(["a", "a\u200b", "\ufb01sh", "fish"])
        == "classes a and a\u200b may be one; classes \ufb01sh and fish may be one"
    )
    assert labels.alike([str(2**60), str(2**60 + 1), "Infinity?"]) == ""


def test_every_label_is_in_every_fold():
    generator = np.random.default_rng(0)
    labels_NK = (generator.random((100, 3)) < (0.5, 0.2, 0.1)).astype(np.int64)
    rows = fold_rows(labels_NK, num_folds=3, seed=0, class_names=("a", "b", "c"))
    assert sorted(np.concatenate(rows).tolist()) == list(range(100))
    assert all(labels_NK[fold].any(axis=0).all() for fold in rows)
    labels_NK[:, 2] = 0
    labels_NK[:2, 2] = 1
    with pytest.raises(ValueError, match=r"^data\.folds=3: at most 2 is accepted, as class c has 2 images$"):
        fold_rows(labels_NK, num_folds=3, seed=0, class_names=("a", "b", "c"))
