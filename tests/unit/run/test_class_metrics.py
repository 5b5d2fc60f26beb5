"""Metrics of outputs against values worked out by hand."""

import math

import pytest
import torch

from densenet_sweep.config.metrics import OF_MULTI_LABEL, OF_OUTPUTS
from densenet_sweep.run import class_metrics
from densenet_sweep.training.evaluation import Evaluation


def evaluation(probabilities: list[list[float]], labels: list[int]) -> Evaluation:
    logits_NK, labels_N = torch.tensor(probabilities).log(), torch.tensor(labels)
    is_right_N = logits_NK.argmax(dim=1) == labels_N
    confusion_KK = torch.zeros(logits_NK.shape[1], logits_NK.shape[1], dtype=torch.int64)
    return Evaluation(0.0, 0.0, confusion_KK, is_right_N, logits_NK, labels_N)


# Four healthy, one ill, whose probability of "ill" is the second highest: three of the four pairs are in order.
TWO = evaluation([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.6, 0.4]], [0, 0, 0, 0, 1])
THREE = evaluation([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.5, 0.1, 0.4]], [0, 1, 2, 2])


def test_the_table_names_what_is_computed():
    assert set(class_metrics.compute(TWO, OF_OUTPUTS)) == set(OF_OUTPUTS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("balanced_accuracy", (3 / 4 + 0) / 2),
        ("macro_f1", (2 * 3 / (2 * 3 + 1 + 1) + 0) / 2),
        ("auroc", 3 / 4),
        ("average_precision", 1 / 2),
        ("log_loss", -(math.log(0.9) + math.log(0.8) + math.log(0.7) + 2 * math.log(0.4)) / 5),
        # Confidence less accuracy, by bin: 0.9 - 1, 0.8 - 1, 0.7 - 1, and 0.6 - 0 twice.
        ("calibration_error", (0.1 + 0.2 + 0.3 + 1.2) / 5),
    ],
)
def test_two_classes(name, value):
    assert class_metrics.compute(TWO, [name]) == {name: pytest.approx(value, rel=1e-6)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("balanced_accuracy", (1 + 1 + 1 / 2) / 3),
        ("macro_f1", (2 / 3 + 1 + 2 / 3) / 3),
        ("auroc", (1 + 1 + 1) / 3),
        ("average_precision", 1.0),
        ("log_loss", -(math.log(0.8) + math.log(0.7) + 2 * math.log(0.4)) / 4),
    ],
)
def test_one_class_against_the_others(name, value):
    assert class_metrics.compute(THREE, [name]) == {name: pytest.approx(value, rel=1e-6)}


def test_a_class_that_the_split_lacks_and_an_output_without_a_class_do_not_count():
    found = evaluation([[0.6, 0.1, 0.2, 0.1], [0.1, 0.5, 0.3, 0.1], [0.1, 0.3, 0.2, 0.4]], [0, 1, 1])
    values = class_metrics.compute(found, OF_OUTPUTS)
    assert values["balanced_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert values["auroc"] == 1.0
    assert values["log_loss"] == pytest.approx(-(math.log(0.6) + math.log(0.5) + math.log(0.3)) / 3, rel=1e-6)


def test_a_single_class_has_no_ranking_and_broken_outputs_have_no_value():
    single = class_metrics.compute(evaluation([[0.9, 0.1], [0.4, 0.6]], [0, 0]), ["auroc", "balanced_accuracy"])
    assert math.isnan(single["auroc"])
    assert single["balanced_accuracy"] == 0.5
    broken = class_metrics.compute(evaluation([[math.nan, 0.1], [0.4, 0.6]], [0, 1]), ["auroc", "macro_f1"])
    assert all(map(math.isnan, broken.values()))


# Probabilities of two labels, and a third that no image has.
LABELS = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0]])
SCORES = torch.tensor([[0.9, 0.4, 0.1], [0.6, 0.3, 0.1], [0.5, 0.8, 0.1], [0.2, 0.1, 0.1]], dtype=torch.float64)
SEVERAL = Evaluation(0.0, 0.0, None, torch.zeros(4, dtype=torch.bool), SCORES.logit(), LABELS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # From one half on a label is predicted: the first for three images, and two have it; the second for one, which has it.
        ("macro_f1", (4 / 5 + 2 / 3) / 2),
        ("auroc", (3 / 4 + 2 / 4) / 2),
        ("average_precision", ((1 + 2 / 3) / 2 + (1 + 2 / 4) / 2) / 2),
    ],
)
def test_a_mean_over_the_labels(name, value):
    assert class_metrics.compute(SEVERAL, [name]) == {name: pytest.approx(value, rel=1e-6)}


def test_of_several_labels_an_image_there_are_some_of_the_metrics():
    found = class_metrics.compute(SEVERAL, OF_OUTPUTS)
    assert set(found) == set(OF_MULTI_LABEL)
    entropy_NK = torch.where(LABELS > 0, SCORES, 1 - SCORES).log()
    assert found["log_loss"] == pytest.approx(-entropy_NK.mean().item())
