"""How good probabilities are on labelled pictures."""

import pytest
import torch

from densenet_sweep.models import measured
from densenet_sweep.models.classifier import Signature

# Of four patients with three pictures each; all pictures of a patient are right or wrong together.
PROBABILITIES = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]).repeat_interleave(3, dim=0)
LABELS_N = torch.tensor([0, 1, 1, 0]).repeat_interleave(3)
GROUPS_N = torch.arange(4).repeat_interleave(3).numpy()


def test_intervals_of_groups_are_wider_than_those_of_pictures():
    found = measured.evaluation(PROBABILITIES, LABELS_N)
    of_pictures, of_groups = ({it.name: it for it in measured.metrics(found, groups)} for groups in (None, GROUPS_N))
    for name, it in of_groups.items():
        assert it.value == of_pictures[name].value, name
    low, high = of_groups["accuracy"].interval
    assert (low, high) == (pytest.approx(0.25), 1.0)  # drawn from 0.75 of four patients
    assert of_pictures["accuracy"].interval[0] > 0.45
    assert of_groups["auroc"].interval[0] < of_pictures["auroc"].interval[0]
    alone = {it.name: it.interval for it in measured.metrics(found, torch.zeros(12, dtype=torch.int64).numpy())}
    assert set(alone.values()) == {None}


def test_several_labels_a_picture_have_their_own_metrics_and_rows():
    probabilities = torch.tensor([[0.9, 0.1], [0.7, 0.2], [0.4, 0.3], [0.3, 1.0]])
    labels_NK = torch.tensor([[1, 0], [0, 0], [1, 1], [1, 1]])
    found = measured.evaluation(probabilities, labels_NK)
    values = {it.name: it.value for it in measured.metrics(found)}
    assert set(values) == {"accuracy", "macro_f1", "auroc", "average_precision", "log_loss"}
    assert values["accuracy"] == 0.25  # the first alone has all labels right from 0.5 on
    assert values["auroc"] == pytest.approx((1 / 3 + 1) / 2)
    first, second = measured.labels(found, ("mass", "node"), (0.35, 0.25))
    assert (first.name, first.num_images, first.threshold) == ("mass", 3, 0.35)
    assert (first.recall, first.specificity) == (pytest.approx(2 / 3), 0.0)
    assert (second.recall, second.specificity, second.f1) == (1.0, 1.0, 1.0)
    assert [it.threshold for it in measured.labels(found, ("mass", "node"), None)] == [0.5, 0.5]


def test_a_models_threshold_of_two_classes_gives_sensitivity_and_specificity():
    found = measured.evaluation(PROBABILITIES, LABELS_N)
    point = measured.at_threshold(found, Signature(1, 8, ("healthy", "ill"), thresholds=(0.65, 0.35)))
    assert point == measured.AtThreshold("ill", 0.35, 0.5, 0.5)
    assert measured.at_threshold(found, Signature(1, 8, ("healthy", "ill"))) is None
