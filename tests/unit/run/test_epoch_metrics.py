import pytest
import torch

from densenet_sweep.run.epoch_metrics import line_of
from densenet_sweep.training.evaluation import Evaluation
from densenet_sweep.training.fit import Epoch

# What stands before it in a sweep's log.
BEFORE = "12:34:56 trial 99 "


def an_epoch(validation: Evaluation | None) -> Epoch:
    return Epoch(
        index=98,
        is_last=False,
        train_loss=0.51821,
        train_accuracy=0.9504,
        validation=validation,
        lr=0.054361,
        seconds=0.7,
        images_per_second=1759.0,
        peak_memory_bytes=None,
    )


def validated() -> Evaluation:
    return Evaluation(0.45251, 17 / 18, None, torch.ones(18), torch.zeros(18, 2), torch.zeros(18))


@pytest.mark.parametrize(
    ("reported", "shown"),
    [("valid_accuracy", "accuracy 0.9444"), ("valid_loss", "accuracy 0.9444"), ("valid_auroc", "auroc 0.5000")],
)
def test_the_line_of_an_epoch_fits_beside_its_trial(reported, shown):
    line = line_of(an_epoch(validated()), 99, {"valid_auroc": 0.5}, reported)
    assert line.startswith("epoch 99/99  loss 0.5182  valid loss 0.4525 ")
    assert line.endswith(shown)
    assert len(BEFORE + line) <= 80


def test_the_line_of_an_epoch_without_validation():
    assert line_of(an_epoch(None), 99, {}, "train_accuracy") == "epoch 99/99  train loss 0.5182 accuracy 0.9504"
