"""How much each picture counts in the training loss."""

import pandas as pd
import pytest
import torch
from PIL import Image

from densenet_sweep.data import found, weights
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import TrainBatches
from densenet_sweep.data.image_table import image_table
from densenet_sweep.data.images import Images
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.data.split import split

ARGUMENTS = {"image_size": 4, "num_channels": 1, "test_fraction": 0.25, "split_seed": 0, "weight_column": "w"}


def table(folder, cells: list[object], **columns: list[str]) -> str:
    for index in range(len(cells)):
        Image.new("L", (4, 4), index).save(folder / f"{index}.png")
    paths = [f"{index}.png" for index in range(len(cells))]
    rows = pd.DataFrame({"path": paths, "label": ["a", "b"] * (len(cells) // 2), "w": cells, **columns})
    rows.to_csv(folder / "t.csv", index=False)
    return str(folder / "t.csv")


def test_weights_stay_with_their_pictures_through_splits_and_copies(tmp_path):
    source = image_table("", table=table(tmp_path, [index / 4 for index in range(40)]), **ARGUMENTS)
    train, valid = split(source.train, valid_fraction=0.2, num_train=12, seed=0)
    for images in (train, valid, source.load_test(), train.joined(valid), train.to(torch.device("meta")).as_read):
        assert torch.equal(images.weights_N, images.images_NCHW[:, 0, 0, 0] / 4)
    other = image_table("", table=table(tmp_path, [1.0] * 40), **ARGUMENTS)
    assert other.train.digest != source.train.digest  # a run is not continued with other weights


def test_the_line_of_what_was_found_has_them(tmp_path):
    splits = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    source = image_table("", table=table(tmp_path, ["0.5", "0", "3", "1e0", "2", "2", "", "-"], split=splits), **ARGUMENTS)
    line = found.line(source, source.train, source.valid)
    assert line == "train 4 (a 2, b 2), valid 2 (a 1, b 1), test 2 (a 1, b 1); train has weights 0 to 3, 1 of 0"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1", "", "-2", "x", "nan", "inf", "-1", ""],
            r"7 weights in w cannot be used \(2 missing, 2 negative, 2 not a number, 1 infinite\), such as row 2, row 3 "
            r"\(-2\), row 4 \(x\); a number of at least 0 is accepted in each row$",
        ),
        (["1"] * 7 + ["-0.1"], r"1 weight in w cannot be used \(1 negative\), such as row 8 \(-0.1\); a number"),
        (["0"] * 8, r"every weight in w is 0, so there is nothing to learn from$"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_in_one_line(tmp_path, cells, message):
    path = table(tmp_path, cells)
    with pytest.raises(ValueError, match=rf"^data\.table={path}: {message}"):
        image_table("", table=path, **ARGUMENTS)


def test_a_class_without_weight_is_refused():
    images = Images(
        torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), weights_N=torch.tensor([1.0, 0, 2, 0])
    )
    with pytest.raises(
        ValueError, match=r"^data\.weight_column: every training picture of class dog has the weight 0; one above"
    ):
        weights.check(images, ["cat", "dog"])
    weights.check(images.select(torch.tensor([0, 2])), ["cat"])


def batches(augmentation: Augmentation, of_images: list[float]) -> TrainBatches:
    pixels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 2).contiguous()
    images = Images(pixels, torch.tensor([0, 1, 0, 1]), weights_N=torch.tensor(of_images))
    plain = Preprocessing(2, torch.zeros(1), torch.full((1,), 1 / 255))
    return TrainBatches(images, plain, augmentation, batch_size=4, seed=0)


def test_batches_bring_weights_of_the_mean_one():
    [(images_BCHW, _, weights_B)] = batches(Augmentation(), [0.0, 2.0, 4.0, 10.0])(0)
    assert weights_B.tolist() == pytest.approx([[0.0, 0.5, 1.0, 2.5][int(level)] for level in images_BCHW[:, 0, 0, 0]])


def test_a_mixed_image_counts_as_its_two_images_do_in_their_shares():
    [(mixed_BCHW, targets_BK, weights_B)] = batches(Augmentation(mixup=1.0), [0.0, 1.0, 1.0, 2.0])(0)
    [(order_BCHW, labels_B, own_B)] = batches(Augmentation(), [0.0, 1.0, 1.0, 2.0])(0)
    levels_B, others_B = order_BCHW[:, 0, 0, 0], order_BCHW[:, 0, 0, 0].roll(1)
    share_B = (mixed_BCHW[:, 0, 0, 0] - others_B) / (levels_B - others_B)
    assert weights_B.tolist() == pytest.approx((share_B * own_B + (1 - share_B) * own_B.roll(1)).tolist(), abs=1e-5)
    for row in range(4):
        expected = torch.zeros(2)
        expected[labels_B[row]] += share_B[row] * own_B[row]
        expected[labels_B.roll(1)[row]] += (1 - share_B[row]) * own_B.roll(1)[row]
        assert (targets_BK[row] * weights_B[row]).tolist() == pytest.approx(expected.tolist(), abs=1e-5)
        assert targets_BK[row].sum().item() == pytest.approx(1.0)
