import pytest
import torch

from densenet_sweep.config.schema import BinaryCrossEntropyConfig, ConfigError, LossConfig
from densenet_sweep.run.task import check_task

ONE_N = torch.tensor([0, 1, 1])
SEVERAL_NK = torch.tensor([[1, 1], [0, 1], [0, 0]])
CROSS_ENTROPY = LossConfig("densenet_sweep.training.losses.cross_entropy", "none")
BINARY = BinaryCrossEntropyConfig("densenet_sweep.training.losses.binary_cross_entropy", "none")


def check(loss: LossConfig, labels_N: torch.Tensor, objective: str = "valid_auroc", num_outputs: int | None = None) -> None:
    check_task(loss, [objective], labels_N, num_classes=2, num_outputs=num_outputs)


def test_what_fits_passes():
    check(CROSS_ENTROPY, ONE_N, "valid_balanced_accuracy", num_outputs=5)
    check(BINARY, SEVERAL_NK)
    check(LossConfig("of_a_user.loss", "none"), SEVERAL_NK)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((BINARY, ONE_N), r"loss=binary_cross_entropy: is for images with any number of labels, and these have one class each"),
        (
            (CROSS_ENTROPY, SEVERAL_NK),
            r"loss=cross_entropy: the images have several labels each, which loss=binary_cross_entropy",
        ),
        ((BINARY, SEVERAL_NK, "valid_auroc", 5), r"architecture\.num_classes=5: 2 is accepted, the number of labels"),
        (
            (LossConfig("of_a_user.loss", "none"), SEVERAL_NK, "valid_calibration_error"),
            r"objective=valid_calibration_error: with several labels an image, one of valid_accuracy, .* is accepted",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, line):
    with pytest.raises(ConfigError, match=f"^{line}"):
        check(*arguments)
