"""Thresholds and results of each label, worked out by hand."""

import csv

import pytest
import torch

from densenet_sweep.run import label_table
from densenet_sweep.training.evaluation import Evaluation

SCORES = torch.tensor([[0.9, 0.1], [0.7, 0.2], [0.4, 0.3], [0.3, 0.4], [0.1, 0.5]], dtype=torch.float64)
LABELS = torch.tensor([[1, 0], [0, 0], [1, 0], [1, 0], [0, 0]])
SPLIT = Evaluation(0.0, 0.0, None, torch.zeros(5, dtype=torch.bool), SCORES.logit(), LABELS)


def test_the_threshold_has_the_largest_f1():
    # From 0.3 on: three right and one wrong, 6/7; from 0.4 on 4/6, from 0.9 on 2/4.
    assert label_table.best_thresholds(SPLIT) == [pytest.approx(0.3), 0.5]


def test_the_table_has_what_the_split_gives(tmp_path):
    table = label_table.rows(SPLIT, ["mass", "node"], [0.35, 0.5])
    label_table.write(tmp_path, table)
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        mass, node = csv.DictReader(file)
    assert mass == {
        "label": "mass", "num_images": "3", "auroc": "0.6667", "average_precision": "0.8056", "threshold": "0.3500",
        "recall": "0.6667", "specificity": "0.5000", "precision": "0.6667", "f1": "0.6667",
    }  # fmt: skip
    assert (node["num_images"], node["auroc"], node["recall"], node["specificity"]) == ("0", "", "", "0.8000")


def test_broken_outputs_have_a_table():
    broken = Evaluation(0.0, 0.0, None, SPLIT.is_right_N, torch.full_like(SCORES, torch.nan), LABELS)
    assert label_table.rows(broken, ["mass", "node"], label_table.best_thresholds(broken))[0]["num_images"] == 3
