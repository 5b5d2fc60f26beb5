"""The threshold of two classes, worked out by hand."""

import pytest
import torch

from densenet_sweep.run import of_classes, operating_point
from densenet_sweep.run.thresholds import choose
from densenet_sweep.training.evaluation import Evaluation

# Five healthy and three ill, by the probability of being ill.
SCORES_N = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.7, 0.35, 0.6, 0.9], dtype=torch.float64)
LABELS_N = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1])


def split(scores_N: torch.Tensor = SCORES_N, labels_N: torch.Tensor = LABELS_N) -> Evaluation:
    logits_NK = torch.stack([1 - scores_N, scores_N], dim=1).log()
    confusion_KK = torch.tensor([[4, 1], [1, 2]])
    return Evaluation(0.0, 0.0, confusion_KK, torch.zeros(len(labels_N), dtype=torch.bool), logits_NK, labels_N)


@pytest.mark.parametrize(
    ("specificity", "threshold", "sensitivity", "kept"),
    [(0.9, 0.9, 1 / 3, 1.0), (0.8, 0.6, 2 / 3, 0.8), (0.6, 0.35, 1.0, 0.6), (0.0, 0.35, 1.0, 0.6)],
)
def test_it_has_the_highest_sensitivity_that_keeps_the_specificity(specificity, threshold, sensitivity, kept):
    found = operating_point.choose(split(), specificity)
    assert (found.threshold, found.sensitivity, found.specificity) == tuple(
        pytest.approx(it) for it in (threshold, sensitivity, kept)
    )


def test_where_no_threshold_keeps_it_nothing_is_predicted():
    found = operating_point.choose(split(1 - SCORES_N), 1.0)
    assert found.threshold > 1 - SCORES_N.min() or found.sensitivity == 0
    assert found.specificity == 1.0


def test_other_tasks_have_none():
    assert operating_point.choose(split(labels_N=torch.zeros(8, dtype=torch.int64)), 0.9) is None
    assert operating_point.choose(split(torch.full((8,), torch.nan)), 0.9) is None
    three = Evaluation(0.0, 0.0, None, LABELS_N > 0, torch.zeros(8, 3), LABELS_N)
    assert operating_point.choose(three, 0.9) is None


def test_the_second_class_has_it_in_its_row_and_its_metrics():
    found = split()
    thresholds = choose(found, 0.8)
    table = of_classes.with_operating_point(of_classes.rows(found, ["healthy", "ill"]), found, thresholds)
    assert "threshold" not in table[0]
    assert table[1]["threshold"] == pytest.approx(0.6)
    assert of_classes.metrics("valid", table)["valid_sensitivity/ill"] == pytest.approx(2 / 3)


def test_a_given_threshold_gives_its_shares_on_another_split():
    chosen = operating_point.choose(split(), 0.8)
    assert operating_point.at(chosen.threshold, split()) == chosen
    assert operating_point.at(0.0, split()) == operating_point.OperatingPoint(0.0, 1.0, 0.0)
    assert operating_point.at(2.0, split()) == operating_point.OperatingPoint(2.0, 0.0, 1.0)
    assert operating_point.at(0.5, split(labels_N=torch.zeros(8, dtype=torch.int64))) is None
