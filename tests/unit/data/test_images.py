"""Labelled images in memory."""

import torch

from densenet_sweep.data.images import Images


def some(count: int = 4) -> Images:
    return Images(torch.arange(count * 4, dtype=torch.uint8).reshape(count, 1, 2, 2), torch.arange(count))


def test_the_digest_is_that_of_the_images_the_labels_and_their_order():
    assert some().digest == some().digest
    assert len(some().digest) == 16
    others = [some(3), some().select(torch.tensor([1, 0, 2, 3])), Images(some().images_NCHW, torch.zeros(4, dtype=torch.int64))]
    others += [Images(some().images_NCHW.reshape(4, 1, 1, 4), some().labels_N), some().joined(some(1))]
    assert len({some().digest, *(other.digest for other in others)}) == 6
