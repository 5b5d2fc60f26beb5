"""Labelled images, of which several sets may share the pixels."""

import pytest
import torch

from densenet_sweep.data import images as module
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import channel_statistics
from densenet_sweep.data.split import split


def some(count: int = 4) -> Images:
    return Images(torch.arange(count * 4, dtype=torch.uint8).reshape(count, 1, 2, 2), torch.arange(count))


def test_the_digest_is_that_of_the_images_the_labels_and_their_order():
    assert some().digest == some().digest
    assert len(some().digest) == 16
    others = [some(3), some().select(torch.tensor([1, 0, 2, 3])), Images(some().images_NCHW, torch.zeros(4, dtype=torch.int64))]
    others += [Images(some().images_NCHW.reshape(4, 1, 1, 4), some().labels_N), some().joined(some(1))]
    assert len({some().digest, *(other.digest for other in others)}) == 6


def test_selections_and_what_is_joined_of_them_share_the_pixels():
    everything = some(40)
    train, valid = split(Images(everything.pixels_MCHW, torch.arange(40) % 2), valid_fraction=0.25, num_train=None, seed=0)
    again, rest = split(train, valid_fraction=0.5, num_train=10, seed=1)
    for images in (
        train,
        valid,
        again,
        rest,
        again.joined(rest),
        train.select(torch.tensor([3])),
        train.to(torch.device("cpu")),
    ):
        assert images.pixels_MCHW is everything.pixels_MCHW


def test_a_selection_is_what_a_copy_of_its_images_would_be(monkeypatch):
    everything = some(60)
    rows = torch.tensor([7, 3, 59, 3, 20])
    selected, copied = everything.select(rows), Images(everything.images_NCHW[rows], everything.labels_N[rows])
    assert (selected.shape, len(selected)) == (copied.shape, 5)
    assert torch.equal(selected.images_NCHW, copied.images_NCHW)
    assert selected.digest == copied.digest
    twice = torch.tensor([4, 0])
    assert torch.equal(selected.select(twice).images_NCHW, copied.select(twice).images_NCHW)
    for others in (everything, selected, copied):
        assert selected.joined(others).digest == copied.joined(others).digest
        assert others.joined(selected).digest == others.joined(copied).digest
    assert selected.select(twice).labels_N.tolist() == [20, 7]
    # The digests of what has been recorded already do not depend on how much is read at a time.
    digest, statistics = selected.digest, channel_statistics(selected, normalize=True)
    monkeypatch.setattr(module, "BLOCK_BYTES", 9)
    assert [len(block) for block in selected.blocks()] == [2, 2, 1]
    assert Images(selected.pixels_MCHW, selected.labels_N, rows).digest == digest
    assert channel_statistics(selected, normalize=True) == statistics


def test_rows_must_go_with_labels():
    with pytest.raises(ValueError, match="do not go with 3 images"):
        Images(some().pixels_MCHW, some().labels_N, torch.arange(3))


def test_a_copy_on_another_device_knows_the_rows_that_it_was_copied_from():
    pixels_MCHW = torch.arange(5, dtype=torch.uint8).reshape(5, 1, 1, 1)
    chosen = Images(pixels_MCHW, torch.tensor([0, 1, 0, 1, 0])).select(torch.tensor([4, 2, 0]))
    moved = chosen.to(torch.device("meta"))
    assert moved.labels_N.device.type == "meta"
    assert moved.rows_N is None
    assert moved.as_read is chosen
    assert moved.to(torch.device("meta")).as_read is chosen
    assert moved.select(torch.tensor([2, 0])).as_read.rows_N.tolist() == [0, 4]
