"""Recall and precision of each class, as rows and as metrics."""

import pytest
import torch

from densenet_sweep.run import of_classes
from densenet_sweep.training.evaluation import Evaluation

# Three cats, two of them taken for dogs; one dog; what is taken for an emu is a dog.
CONFUSION_KK = torch.tensor([[1, 2, 0], [0, 1, 1], [0, 0, 0]])
SPLIT = Evaluation(
    0.0, 0.0, CONFUSION_KK, torch.zeros(5, dtype=torch.bool), torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64)
)


def test_each_class_has_what_the_split_gives():
    assert of_classes.rows(SPLIT, ["cats", "dogs/wolves", "emus"]) == [
        {"class": "cats", "num_images": 3, "recall": pytest.approx(1 / 3), "precision": 1.0},
        {"class": "dogs/wolves", "num_images": 2, "recall": 0.5, "precision": pytest.approx(1 / 3)},
        {"class": "emus", "num_images": 0, "precision": 0.0},
    ]


def test_a_table_of_folds_has_the_means_of_those_that_give_a_number():
    folds = [
        [{"class": "a", "num_images": 4, "recall": 0.5}, {"class": "b", "num_images": 2, "recall": 1.0, "threshold": 0.3}],
        [{"class": "a", "num_images": 6, "recall": 1.0, "precision": 0.6}, {"class": "b", "num_images": 2, "recall": 0.0}],
    ]
    assert of_classes.means(folds) == [
        {"class": "a", "num_images": 10, "recall": 0.75, "precision": 0.6},
        {"class": "b", "num_images": 4, "recall": 0.5},
    ]


def test_metrics_are_grouped_and_named_as_mlflow_takes_it():
    found = of_classes.metrics("valid", of_classes.rows(SPLIT, ["cats", "dogs/wolves", "emus"]))
    assert sorted(found) == [
        "valid_precision/cats", "valid_precision/dogs_wolves", "valid_precision/emus",
        "valid_recall/cats", "valid_recall/dogs_wolves",
    ]  # fmt: skip
    many = [{"class": str(index), "num_images": 1, "recall": 1.0} for index in range(of_classes.MOST + 1)]
    assert of_classes.metrics("valid", many) == {}
    [long] = of_classes.metrics("test", [{"class": "x" * 300, "sensitivity": 1.0}])
    assert len(long) < 250
    assert of_classes.metrics("test", [{"class": "..", "recall": 1.0}]) == {"test_recall/_": 1.0}


def test_a_label_has_the_area_under_its_curve():
    labels_NK = torch.tensor([[1, 0], [0, 1], [1, 0], [0, 0]])
    logits_NK = torch.tensor([[2.0, -1], [1.0, 1], [0.5, -2], [-3.0, -3]])
    several = Evaluation(0.0, 0.0, None, torch.zeros(4, dtype=torch.bool), logits_NK, labels_NK)
    found = of_classes.metrics("test", of_classes.rows(several, ["edge", "mass"], [0.5, 0.5]))
    assert found["test_auroc/edge"] == pytest.approx(3 / 4)
    assert found["test_recall/mass"] == 1.0
    assert found["test_precision/edge"] == pytest.approx(2 / 3)
