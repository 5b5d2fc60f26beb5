"""Augmentations: values of known transformations, torchvision's for one image as the oracle, and images that differ."""

import math
from dataclasses import asdict

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as torchvisions

from densenet_sweep.config import composition
from densenet_sweep.data import augmentation, levels, mixing, warping
from densenet_sweep.data import batches as module
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import TrainBatches
from densenet_sweep.data.draws import Draws
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.data.trivial_augment import CHANGES, trivial_augment

CPU = torch.device("cpu")
NOT_NEUTRAL = ("autocontrast", "equalize")  # they have no strength


def pictures(count: int = 6, height: int = 20, width: int = 16, channels: int = 3, most: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, most, (count, channels, height, width), generator=generator).float()


def draws(seed: int = 0) -> Draws:
    return Draws(seed, CPU)


def each(value: float, count: int = 6) -> Tensor:
    return torch.full((count,), value)


def changed(images: Tensor, **options) -> Tensor:
    size = len(images)
    augment = Augmentation(**options)
    return augment.before_normalizing(images, torch.Generator().manual_seed(0), torch.zeros(size, dtype=torch.bool), draws())


def test_the_defaults_are_off_and_those_of_the_config():
    assert asdict(composition.typed(composition.compose([])).data.augment) == asdict(Augmentation())


def test_what_is_off_draws_nothing_from_the_generators():
    images = Images(pictures().to(torch.uint8), torch.arange(6) % 2)
    batches = TrainBatches(
        images, Preprocessing([20, 16], torch.zeros(3), torch.ones(3)),
        Augmentation(crop_padding=2, horizontal_flip=True, cutout_size=5), batch_size=3, seed=7,
    )  # fmt: skip
    order = torch.randperm(6, generator=torch.Generator().manual_seed(module._mix(7, 1, 0)))
    generator = torch.Generator().manual_seed(module._mix(7, 1, 1))
    for rows, (shown, labels) in zip(order.split(3), batches(1), strict=True):
        expected = augmentation.flip(augmentation.crop(images.pixels(rows).float(), 2, generator), generator)
        expected = expected * (1 / (255 * torch.ones(3))).view(-1, 1, 1) + torch.zeros(3, 1, 1)
        assert torch.equal(shown, augmentation.cutout(expected, 5, generator))
        assert torch.equal(labels, images.labels_N[rows])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_exact(turns):
    images = pictures(height=12, width=12)
    turned = warping.affine(images, rotation_B=each(-90.0 * turns))
    assert torch.allclose(turned, torch.rot90(images, turns, (2, 3)), atol=0.01)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, (0.0, [0, 0], 1.0, [0.0, 0.0])),
        ({"rotation_B": 30.0}, (30.0, [0, 0], 1.0, [0.0, 0.0])),
        ({"right_B": 2 / 16, "down_B": -3 / 20}, (0.0, [2, -3], 1.0, [0.0, 0.0])),
        ({"scale_B": 0.7}, (0.0, [0, 0], 0.7, [0.0, 0.0])),
        ({"shear_B": 20.0}, (0.0, [0, 0], 1.0, [20.0, 0.0])),
        ({"shear_down_B": 20.0}, (0.0, [0, 0], 1.0, [0.0, 20.0])),
        (
            {"rotation_B": 30.0, "scale_B": 1.3, "shear_B": 20.0, "right_B": 2 / 16, "down_B": -3 / 20},
            (30.0, [2, -3], 1.3, [20.0, 0.0]),
        ),
    ],
)
def test_an_affine_transformation_is_torchvisions(ours, theirs):
    images = pictures()
    found = warping.affine(images, **{name: each(value) for name, value in ours.items()})
    assert torch.allclose(found, torchvisions.affine(images, *theirs, interpolation=InterpolationMode.BILINEAR), atol=0.01)


def test_a_vertical_flip_turns_half_of_the_images_upside_down():
    images = pictures(400, 4, 4)
    found = changed(images, vertical_flip=True)
    flipped = (found == images.flip(2)).flatten(1).all(dim=1)
    assert (flipped ^ (found == images).flatten(1).all(dim=1)).all()
    assert 150 < flipped.sum() < 250


def test_affine_options_bound_what_is_drawn(monkeypatch):
    given = {}
    monkeypatch.setattr(warping, "affine", lambda images, **values: given.update(values) or images)
    changed(pictures(500), rotation=20.0, translation=0.1, scaling=0.3, shear=5.0)
    for name, low, high in (
        ("rotation_B", -20, 20), ("right_B", -0.1, 0.1), ("down_B", -0.1, 0.1), ("scale_B", 0.7, 1.3), ("shear_B", -5, 5)
    ):  # fmt: skip
        width = high - low
        assert low <= given[name].min() < low + 0.02 * width
        assert high - 0.02 * width < given[name].max() <= high


def test_a_resized_crop_is_a_window_of_its_own_for_each_image():
    width, height = 40, 60
    ramps = torch.stack(
        [torch.arange(width).float().expand(height, width), torch.arange(height).float()[:, None].expand(-1, width)]
    )
    crops = warping.resized_crop(ramps.repeat(300, 1, 1, 1), 0.25, 2.0, draws())
    across = (crops[:, 0, 30, 30] - crops[:, 0, 30, 10]) / 20  # the window's share of the width
    down = (crops[:, 1, 45, 20] - crops[:, 1, 15, 20]) / 30
    area, ratio = across * down, across / down
    assert across.max() <= 1.001 > down.max()
    assert 0.17 < area.min() < 0.3  # less than a quarter where a side was cut to the image's
    assert area.max() > 0.9
    assert 0.49 < ratio.min() < 0.6
    assert 1.8 < ratio.max() < 2.01
    assert (crops[:, 0] >= 0).all()
    assert crops[:, 0].max() <= width - 1


def test_a_crop_of_everything_is_the_image():
    images = pictures()
    assert torch.allclose(warping.resized_crop(images, 1.0, 1.0, draws()), images, atol=0.01)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "sharpness"])
def test_a_factor_is_torchvisions(name, factor, channels):
    images = pictures(channels=channels)
    expected = getattr(torchvisions, f"adjust_{name}")(images / 255, factor) * 255
    assert torch.allclose(getattr(levels, name)(images, each(factor)), expected, atol=0.01)


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.1, 0.5])
def test_a_hue_is_torchvisions(turn):
    images = pictures()
    images[0] = 77.0  # grey
    assert torch.allclose(levels.hue(images, each(turn)), torchvisions.adjust_hue(images / 255, turn) * 255, atol=0.01)


def test_posterize_solarize_autocontrast_and_equalize_are_torchvisions():
    images = pictures(height=40, most=90)
    images[0] = 7.0  # one level
    bytes_ = images.byte()
    assert torch.equal(levels.posterize(images, each(3.0)), torchvisions.posterize(bytes_, 3).float())
    assert torch.equal(levels.solarize(images, each(50.0)), torchvisions.solarize(bytes_, 50.0).float())
    assert torch.equal(levels.equalize(images), torchvisions.equalize(bytes_).float())
    assert torch.allclose(levels.autocontrast(images), torchvisions.autocontrast(images / 255) * 255, atol=0.01)


def test_jitter_draws_a_factor_for_each_image_within_its_bounds():
    found = changed(torch.full((500, 3, 2, 2), 100.0), brightness=0.4)[:, 0, 0, 0] / 100
    assert 0.6 <= found.min() < 0.62
    assert 1.38 < found.max() <= 1.4
    for name in ("contrast", "saturation", "hue"):
        images = pictures(1).repeat(2, 1, 1, 1)
        one, other = changed(images, **{name: 0.4})
        assert not torch.allclose(one, other, atol=1.0)


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in NOT_NEUTRAL])
def test_a_change_of_no_strength_changes_nothing(name):
    images = pictures()
    assert torch.allclose(CHANGES[name](images, each(0.0)), images, atol=0.01)


def test_each_image_gets_a_change_of_its_own():
    images = pictures(1).repeat(280, 1, 1, 1)
    found = trivial_augment(images, 1.0, draws())
    again = draws()
    chosen, strength = again.choices(280, len(CHANGES)), again.uniform(280, -1.0, 1.0)
    assert set(chosen) == set(range(len(CHANGES)))
    names = list(CHANGES)
    for row in range(0, 280, 7):
        expected = CHANGES[names[chosen[row]]](images[row : row + 1], strength[row : row + 1])
        assert torch.allclose(found[row], expected[0], atol=0.01)
    assert ((found >= 0) & (found <= 255.01)).all()


def test_a_share_of_the_images_is_erased_in_rectangles_of_bounded_area():
    holes = mixing.holes(torch.zeros(600, 1, 30, 40), 0.25, 0.2, draws())
    area = holes.flatten(1).sum(dim=1)
    assert 110 < (area > 0).sum() < 190
    rows, columns = holes.any(dim=2).sum(dim=1), holes.any(dim=1).sum(dim=1)
    assert torch.equal(area, rows * columns)
    shares = area[area > 0] / 1200
    assert 0.015 < shares.min() < 0.05
    assert 0.17 < shares.max() < 0.22
    edges = holes.any(dim=0)
    assert edges[:, [0, -1]].any(dim=0).all()
    assert edges[[0, -1]].any(dim=1).all()


def constant(count: int = 200) -> tuple[Tensor, Tensor]:
    """Images that are their own number, and targets likewise."""
    return torch.arange(count).float().view(-1, 1, 1, 1).expand(-1, 1, 10, 10), torch.eye(count)


def test_mixup_mixes_images_and_targets_in_the_same_share():
    images, targets = constant()
    mixed, shares = mixing.mixed(images, targets, 0.4, 0.0, draws())
    assert torch.allclose(mixed[:, 0, 3, 3], shares @ torch.arange(200.0), atol=1e-3)
    own = shares.diagonal()
    assert torch.allclose(shares.sum(dim=1), torch.ones(200))
    assert torch.allclose(own + shares.roll(1, 1).diagonal(), torch.ones(200))  # the rest is of the image before
    assert ((own < 0.1) | (own > 0.9)).sum() > 80  # as of a beta distribution of 0.4
    assert len(own.unique()) > 150


def test_cutmix_pastes_as_many_pixels_as_the_targets_say():
    images, targets = constant()
    mixed, shares = mixing.mixed(images, targets, 0.0, 1.0, draws())
    is_own = mixed == images
    assert torch.allclose(is_own.float().mean(dim=(1, 2, 3)), shares.diagonal(), atol=1e-6)
    assert torch.equal(torch.where(is_own, images, images.roll(1, 0)), mixed)
    others = ~is_own[:, 0]
    assert torch.equal(others.flatten(1).sum(dim=1), others.any(dim=2).sum(dim=1) * others.any(dim=1).sum(dim=1))
    assert 0.5 < shares.diagonal().mean() < 0.8


def test_with_both_about_half_of_the_images_is_mixed_in_each_way():
    images, targets = constant()
    mixed, shares = mixing.mixed(images, targets, 1.0, 1.0, draws())
    is_blend = ((mixed != images) & (mixed != images.roll(1, 0))).flatten(1).all(dim=1)
    assert 70 < is_blend.sum() < 130
    assert torch.allclose(mixed.mean(dim=(1, 2, 3)), shares @ torch.arange(200.0), atol=1e-3)


def test_targets_of_several_labels_are_mixed_too():
    several = torch.tensor([[1, 0, 1], [0, 0, 1]])
    _, shares = mixing.mixed(torch.zeros(2, 1, 4, 4), mixing.targets(several, 3), 1.0, 0.0, draws())
    assert torch.equal(shares[:, 1:], torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    assert shares[:, 0].tolist() == pytest.approx([shares[0, 0].item(), shares[1, 0].item()])
    assert 0 < shares[0, 0] < 1


def test_mixed_batches_have_targets_of_the_networks_outputs():
    images = Images(pictures(8).to(torch.uint8), torch.arange(8) % 2)
    batches = TrainBatches(
        images,
        Preprocessing([20, 16], torch.zeros(3), torch.ones(3)),
        Augmentation(mixup=0.2),
        batch_size=4,
        seed=0,
        num_outputs=5,
    )
    for shown, targets in batches(0):
        assert (shown.shape, targets.shape, targets.dtype) == ((4, 3, 20, 16), (4, 5), torch.float32)
        assert math.isclose(targets.sum().item(), 4, rel_tol=1e-6)
        assert not targets[:, 2:].any()
    first, again, later = (next(batches(epoch))[0] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
