import math

import numpy as np
import pytest
import torch

from densenet_sweep.run import bootstrap, class_metrics
from densenet_sweep.training.evaluation import Evaluation


def evaluation(count: int, seed: int = 0) -> Evaluation:
    """Two classes of `count` images, of which the outputs get about three quarters right."""
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.arange(2 * count) % 2
    is_right_N = torch.rand(2 * count, generator=generator) < 0.75
    logits_NK = torch.nn.functional.one_hot(torch.where(is_right_N, labels_N, 1 - labels_N), 2).double()
    return Evaluation(0.0, 0.0, torch.zeros(2, 2, dtype=torch.int64), is_right_N, logits_NK, labels_N)


def test_of_a_mean_of_proportions_it_is_the_binomial_one():
    split = evaluation(500)
    found = bootstrap.uncertainty(split, "balanced_accuracy")
    recalls = [split.is_right_N[split.labels_N == label].double().mean().item() for label in (0, 1)]
    expected = math.sqrt(sum(it * (1 - it) / 500 for it in recalls)) / 2
    assert found.deviation == pytest.approx(expected, rel=0.2)
    assert found.low < sum(recalls) / 2 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * expected, rel=0.25)


def test_it_is_the_same_again_and_smaller_of_more_images():
    small, large = (bootstrap.uncertainty(evaluation(count), "auroc") for count in (30, 300))
    assert bootstrap.uncertainty(evaluation(30), "auroc") == small
    assert large.deviation < small.deviation / 2


def test_the_loss_is_the_log_loss_and_what_outputs_do_not_give_has_none():
    split = evaluation(20)
    assert bootstrap.uncertainty(split, "loss") == bootstrap.uncertainty(split, "log_loss")
    assert bootstrap.uncertainty(split, "accuracy") is None  # whose uncertainty is binomial
    assert bootstrap.uncertainty(split, "num_parameters") is None


def test_images_with_several_labels_are_resampled_too():
    generator = torch.Generator().manual_seed(0)
    labels_NK = (torch.rand(200, 2, generator=generator) < torch.tensor([0.5, 0.1])).long()
    logits_NK = labels_NK + torch.randn(200, 2, generator=generator)
    split = Evaluation(0.0, 0.0, None, torch.zeros(200, dtype=torch.bool), logits_NK, labels_NK)
    found = bootstrap.uncertainty(split, "auroc")
    assert 0 < found.deviation < 0.1
    assert found.low < class_metrics.compute(split, ["auroc"])["auroc"] < found.high
    assert bootstrap.uncertainty(split, "balanced_accuracy") is None


def test_groups_are_resampled_instead_of_images():
    # Ten images of each of 40 patients, which are all alike: as much as 40 images, not 400.
    few = evaluation(20)
    many = Evaluation(
        0.0, 0.0, None, few.is_right_N.repeat(10), few.logits_NK.repeat(10, 1), few.labels_N.repeat(10)
    )  # fmt: skip
    patients = np.arange(400) % 40
    accuracy = few.is_right_N.double().mean().item()
    found = bootstrap.uncertainty(many, "accuracy", patients)
    assert found.deviation == pytest.approx(math.sqrt(accuracy * (1 - accuracy) / 40), rel=0.2)
    assert found.low < accuracy < found.high
    alone = bootstrap.uncertainty(many, "auroc")
    assert bootstrap.uncertainty(many, "auroc", patients).deviation > 2 * alone.deviation


def test_groups_may_lack_a_class():
    found = bootstrap.uncertainty(evaluation(3), "auroc", np.arange(6))  # one of 32 draws is of one class
    assert math.isfinite(found.deviation)
    assert bootstrap.uncertainty(evaluation(3), "auroc", np.zeros(6)) is None  # of one group
