import math
from functools import partial

import pytest
import torch
from torch.nn import functional

from densenet_sweep.training import losses

# Probabilities 0.9 and 0.2 of the true class.
LOGITS_BK = torch.tensor([[0.9, 0.1], [0.8, 0.2]], dtype=torch.float64).log()
LABELS_B = torch.tensor([0, 1])


def test_the_default_is_torchs_cross_entropy_to_the_bit():
    logits_BK = torch.randn(32, 5, generator=torch.Generator().manual_seed(0))
    labels_B = torch.arange(32) % 5
    assert torch.equal(losses.cross_entropy()(logits_BK, labels_B), functional.cross_entropy(logits_BK, labels_B))


def test_class_weights_average():
    loss = losses.cross_entropy(class_weights=torch.tensor([1.0, 3.0], dtype=torch.float64))(LOGITS_BK, LABELS_B)
    assert loss.item() == pytest.approx(-(math.log(0.9) + 3 * math.log(0.2)) / 4)


@pytest.mark.parametrize(
    ("weights", "value"),
    [
        (None, -(0.1**2 * math.log(0.9) + 0.8**2 * math.log(0.2)) / 2),
        ([1.0, 3.0], -(0.1**2 * math.log(0.9) + 3 * 0.8**2 * math.log(0.2)) / 4),
    ],
)
def test_the_focal_loss_counts_what_is_certain_less(weights, value):
    given = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    assert losses.focal(gamma=2.0, class_weights=given)(LOGITS_BK, LABELS_B).item() == pytest.approx(value)


def test_a_focal_loss_of_gamma_zero_is_the_cross_entropy():
    arguments = {"class_weights": torch.tensor([1.0, 3.0], dtype=torch.float64), "label_smoothing": 0.1}
    focal = losses.focal(gamma=0.0, **arguments)(LOGITS_BK, LABELS_B)
    smoothed_B = functional.cross_entropy(
        LOGITS_BK, LABELS_B, weight=arguments["class_weights"], label_smoothing=0.1, reduction="none"
    )
    assert focal.item() == pytest.approx(smoothed_B.sum().item() / 4)


def test_a_certain_image_has_a_finite_gradient():
    logits_BK = torch.tensor([[200.0, 0.0]], requires_grad=True)
    losses.focal(gamma=0.5)(logits_BK, torch.tensor([0])).backward()
    assert logits_BK.grad.isfinite().all()


MADE = {
    "cross_entropy": losses.cross_entropy,
    "focal": partial(losses.focal, gamma=1.5),
}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [1.0, 3.0, 0.5]])
@pytest.mark.parametrize("name", MADE)
def test_a_share_of_one_is_a_label_and_mixed_losses_are_linear_in_the_shares(name, weights, smoothing):
    given = None if weights is None else torch.tensor(weights)
    loss = MADE[name](class_weights=given, label_smoothing=smoothing)
    logits_BK = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels_B, others_B = torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([2, 2, 0, 1, 1, 1])
    targets_BK, others_BK = (functional.one_hot(it, 3).float() for it in (labels_B, others_B))
    assert loss(logits_BK, targets_BK).item() == pytest.approx(loss(logits_BK, labels_B).item())
    total, of_others = (1.0 if given is None else given[it].sum().item() for it in (labels_B, others_B))
    expected = (0.7 * total * loss(logits_BK, labels_B) + 0.3 * of_others * loss(logits_BK, others_B)).item()
    mixed = loss(logits_BK, 0.7 * targets_BK + 0.3 * others_BK).item()
    assert mixed == pytest.approx(expected / (0.7 * total + 0.3 * of_others))


# Probabilities 0.9, 0.2 and 0.5, 0.1 of two labels.
OF_LABELS_BK = torch.tensor([[0.9, 0.2], [0.5, 0.1]], dtype=torch.float64).logit()
LABELS_BK = torch.tensor([[1, 1], [0, 0]])


def test_the_binary_cross_entropy_is_a_mean_over_images_and_labels():
    found = losses.binary_cross_entropy()(OF_LABELS_BK, LABELS_BK)
    assert found.item() == pytest.approx(-(math.log(0.9) + math.log(0.2) + math.log(0.5) + math.log(0.9)) / 4)


def test_weights_of_labels_weigh_the_images_that_have_them():
    weights = torch.tensor([2.0, 3.0], dtype=torch.float64)
    found = losses.binary_cross_entropy(class_weights=weights)(OF_LABELS_BK, LABELS_BK)
    assert found.item() == pytest.approx(-(2 * math.log(0.9) + 3 * math.log(0.2) + math.log(0.5) + math.log(0.9)) / 4)


def test_smoothed_labels_are_nearer_to_one_half():
    found = losses.binary_cross_entropy(label_smoothing=0.2)(OF_LABELS_BK[:1, :1], LABELS_BK[:1, :1])
    assert found.item() == pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("name", [*MADE, "binary_cross_entropy", "shares"])
def test_a_weight_of_two_is_an_image_shown_twice(name, smoothing):
    loss = {**MADE, "binary_cross_entropy": losses.binary_cross_entropy, "shares": MADE["focal"]}[name](
        label_smoothing=smoothing
    )
    logits_BK = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 2, 1])
    if name == "binary_cross_entropy":
        labels = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    elif name == "shares":
        labels = torch.tensor([[0.3, 0.7, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    repeated = torch.tensor([0, 0, 0, 2])  # three times, not at all, once
    weights_B = torch.tensor([3.0, 0.0, 1.0], dtype=torch.float64) * 3 / 4  # of the mean 1
    assert loss(logits_BK, labels, weights_B).item() == pytest.approx(loss(logits_BK[repeated], labels[repeated]).item())


def test_weights_multiply_with_those_of_classes():
    of_classes = torch.tensor([1.0, 3.0], dtype=torch.float64)
    loss = losses.cross_entropy(class_weights=of_classes)(LOGITS_BK, LABELS_B, torch.tensor([1.5, 0.5], dtype=torch.float64))
    assert loss.item() == pytest.approx(-(1.5 * math.log(0.9) + 0.5 * 3 * math.log(0.2)) / (1 + 3))
