"""Batches of images that stay in another memory than the device's are the same batches."""

import pytest
import torch

from densenet_sweep.data import batches as module
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import EvalBatches, TrainBatches
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.data.streaming import batches, stays_behind, streamed

CPU = torch.device("cpu")


def some(count: int = 50) -> Images:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2 * count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(2 * count) % 7).select(torch.randperm(2 * count, generator=generator)[:count])


OLDER = Augmentation(crop_padding=2, horizontal_flip="alternating", cutout_size=3)
ALL = Augmentation(
    crop_padding=2, horizontal_flip=True, cutout_size=3, vertical_flip=True, crop_area=0.5, rotation=20.0, translation=0.1,
    scaling=0.2, shear=5.0, trivial_augment=1.0, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, erasing=0.5, mixup=0.3,
    cutmix=1.0,
)  # fmt: skip


def served(images: Images, device: torch.device, changes: Augmentation = OLDER) -> list[tuple[torch.Tensor, torch.Tensor]]:
    mean_C, std_C = channel_statistics(images, normalize=True)
    preprocessing = Preprocessing(8, mean_C.to(device), std_C.to(device))
    train = TrainBatches(images, preprocessing, changes, batch_size=7, seed=3, device=device)
    return [*train(0), *train(1), *EvalBatches(images, preprocessing, batch_size=9, device=device)()]


def same(found: list, expected: list) -> bool:
    return len(found) == len(expected) and all(
        torch.equal(one, other) for pair in zip(found, expected, strict=True) for one, other in zip(*pair, strict=True)
    )


@pytest.mark.parametrize("changes", [OLDER, ALL])
def test_they_are_those_that_are_indexed_directly(monkeypatch, changes):
    expected = served(some(), CPU, changes)
    monkeypatch.setattr(module, "batches", streamed)
    assert same(served(some(), CPU, changes), expected)


def test_an_epoch_may_end_early():
    images = some()
    found = streamed(images, iter([slice(0, 5), slice(5, 10), slice(10, 20), slice(20, 30), slice(30, 50)]), CPU)
    assert torch.equal(next(found)[1], images.labels_N[:5])
    found.close()
    assert [len(labels_B) for _, labels_B in streamed(images, [slice(0, 5)], CPU)] == [5]
    assert list(streamed(images, [], CPU)) == []


def test_what_fails_while_reading_is_raised():
    with pytest.raises(IndexError):
        list(streamed(some(), [torch.tensor([1000])], CPU))


@pytest.mark.parametrize(
    ("num_bytes", "wanted", "expected"), [(1, "auto", False), (60, "auto", True), (1, False, True), (60, True, False)]
)
def test_where_images_are_kept(monkeypatch, num_bytes, wanted, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 200))
    assert stays_behind(num_bytes, torch.device("cuda"), wanted) is expected
    assert not stays_behind(num_bytes, CPU, wanted)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gets_the_same_numbers_from_its_memory_and_from_elsewhere():
    gpu = torch.device("cuda")
    there = some().to(gpu)
    assert same(served(some(), gpu), served(there, gpu))
    assert same(served(some(), gpu, ALL), served(there, gpu, ALL))
    assert all(labels_B.is_cuda for _, labels_B in batches(some(), [slice(0, 5)], gpu))
