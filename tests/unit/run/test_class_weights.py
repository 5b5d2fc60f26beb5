import pytest
import torch

from densenet_sweep.config.schema import BinaryCrossEntropyConfig, ConfigError, LossConfig
from densenet_sweep.run.class_weights import class_weights

# Three images of class 0, one of class 1, two of class 2.
LABELS_N = torch.tensor([0, 0, 0, 1, 2, 2])


def weights(given: object) -> list[float] | None:
    found = class_weights(LossConfig("", given), LABELS_N, num_classes=3, num_outputs=4)
    return None if found is None else found.tolist()


def test_balanced_weights_give_each_class_the_same_sum():
    found = weights("balanced")
    assert found == [pytest.approx(6 / (3 * 3)), pytest.approx(6 / (3 * 1)), pytest.approx(6 / (3 * 2)), 1.0]


def test_given_weights_are_taken_as_they_are():
    assert weights([1, 5, 2.5]) == [1.0, 5.0, 2.5, 1.0]
    assert weights("none") is None


def test_another_number_of_weights_than_classes_is_refused():
    line = r"^loss\.class_weights=\[1, 5\]: none, balanced or 3 numbers above 0, one a class, is accepted$"
    with pytest.raises(ConfigError, match=line):
        weights([1, 5])


def test_balanced_weights_of_labels_make_up_for_the_images_without_them():
    labels_NK = torch.tensor([[1, 1], [0, 1], [0, 1], [0, 0]])
    found = class_weights(BinaryCrossEntropyConfig("", "balanced"), labels_NK, num_classes=2, num_outputs=2)
    assert found.tolist() == [3.0, pytest.approx(1 / 3)]


def test_balanced_weights_make_up_for_the_sums_of_the_images_weights():
    of_images = torch.tensor([1.0, 0.0, 0.5, 3.0, 2.0, 1.5])  # 8 in all: 1.5, 3 and 3.5 by class
    found = class_weights(LossConfig("", "balanced"), LABELS_N, num_classes=3, num_outputs=4, weights_N=of_images)
    assert found.tolist() == pytest.approx([8 / (3 * 1.5), 8 / (3 * 3), 8 / (3 * 3.5), 1.0])
    labels_NK = torch.tensor([[1, 1], [0, 1], [0, 0]])
    of_labels = BinaryCrossEntropyConfig("", "balanced")
    found = class_weights(of_labels, labels_NK, num_classes=2, num_outputs=2, weights_N=torch.tensor([3.0, 1.0, 2.0]))
    assert found.tolist() == pytest.approx([(6 - 3) / 3, (6 - 4) / 4])
