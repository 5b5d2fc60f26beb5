"""Arrays in a file, as MedMNIST has them."""

import numpy as np
import pytest

from densenet_sweep.data import found
from densenet_sweep.data.npz import npz


def arrays(dtype: type = np.uint8, **counts: int) -> dict[str, np.ndarray]:
    made = {}
    start = 0
    for name, count in (counts or {"train": 6, "val": 4, "test": 2}).items():
        levels = np.arange(start, start + count).astype(dtype)
        made[f"{name}_images"] = np.broadcast_to(levels[:, None, None], (count, 3, 5)).copy()
        made[f"{name}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
        start += count
    return made


def test_the_splits_are_those_of_the_file(tmp_path):
    np.savez(tmp_path / "some.npz", **arrays())
    for root in (tmp_path / "some.npz", tmp_path):
        source = npz(str(root), num_channels=1)
        assert source.valid is not None
        assert source.class_names == ("0", "1")
        assert source.train.shape == (6, 1, 3, 5)
        assert source.train.images_NCHW[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert source.valid.images_NCHW[:, 0, 0, 0].tolist() == [6, 7, 8, 9]
        assert source.load_test().images_NCHW[:, 0, 0, 0].tolist() == [10, 11]
        assert found.line(source, source.train, source.valid) == "train 6 (0 3, 1 3), valid 4 (0 2, 1 2), test 2 (0 1, 1 1)"
    assert npz(str(tmp_path), num_channels=3).train.shape == (6, 3, 3, 5)
    assert npz(str(tmp_path), num_channels=1, value_range=[0, 9]).remark.startswith("data.value_range changes nothing")


def test_values_are_scaled_by_those_of_training(tmp_path):
    np.savez(tmp_path / "some.npz", **arrays(np.uint16))
    source = npz(str(tmp_path), num_channels=1)
    assert source.valid is not None
    assert source.value_range == (0, 5)
    assert source.train.images_NCHW[:, 0, 0, 0].tolist() == [0, 51, 102, 153, 204, 255]
    assert source.valid.images_NCHW.min() == 255
    np.savez(tmp_path / "some.npz", **arrays(np.float32))
    with pytest.raises(ValueError, match=r"train_images are float32: data\.value_range=\[LOW,HIGH\]"):
        npz(str(tmp_path), num_channels=1)
    assert npz(str(tmp_path), num_channels=1, value_range=[0, 255]).train.images_NCHW.max() == 5


def test_rows_of_zeros_and_ones_are_several_labels_an_image(tmp_path):
    made = arrays()
    rows = {name: (np.arange(len(made[f"{name}_labels"]))[:, None] >> np.arange(3)) & 1 for name in ("train", "val", "test")}
    np.savez(tmp_path / "some.npz", **{**made, **{f"{name}_labels": labels for name, labels in rows.items()}})
    source = npz(str(tmp_path), num_channels=1)
    assert source.class_names == ("0", "1", "2")
    assert source.train.labels_N.tolist() == rows["train"].tolist()
    assert source.load_test().labels_N.tolist() == rows["test"].tolist()
    assert source.valid is not None
    said = found.line(source, source.train, source.valid)
    assert said.startswith("train 6 (0 3, 1 2, 2 2, without a label 1), valid 4")


def test_copies_and_a_missing_test_split_are_known(tmp_path):
    made = arrays(train=6, val=4)
    made["val_images"][1] = made["train_images"][2]
    np.savez(tmp_path / "some.npz", **made)
    source = npz(str(tmp_path), num_channels=1)
    assert source.untested.endswith("some.npz: has no test_images")
    assert source.valid is not None
    said = found.line(source, source.train, source.valid)
    assert found.seen(source) is None  # an array is no file by which a picture could be known again
    assert said.endswith("test 0; 1 of valid is a copy of train's, such as val_images[1] of train_images[2]")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": None}, r"has no array train_labels; it has "),
        ({"train_images": None}, r"has no array train_images"),
        (
            {"train_labels": np.full((6, 14), 2, np.uint8)},
            r"train_labels is uint8 of the shape \(6, 14\); a whole number an image is accepted, from 0 on, or a row of zeros",
        ),
        ({"train_labels": np.zeros((6, 14), np.uint8)}, r"labels of one class an image and of several"),
        ({"train_images": np.zeros((6, 3, 3, 3, 3), np.uint8)}, r"train_images has the shape"),
        ({"train_images": np.zeros((6, 3, 3, 3), np.uint8)}, r"data\.num_channels=1: 3 is accepted, as some\.npz has colour"),
        (
            {"val_images": np.full((4, 3, 5), 1000, np.uint16)},
            r"val_images are uint16 of 3x5, and train_images uint8 of 3x5; the same is accepted",
        ),
        ({"test_images": np.zeros((2, 3, 4), np.uint8)}, r"test_images are uint8 of 3x4, and train_images uint8 of 3x5"),
        ({"train_images": np.zeros((0, 3, 5), np.uint8)}, r"train_images has the shape \(0, 3, 5, 1\)"),
        ({"train_images": np.zeros((6, 3, 5), np.complex64)}, r"train_images are complex64; numbers are accepted"),
        ({"train_labels": np.array([0, 1, 0, 1, 0, 10**12])}, r"12 images with labels up to 1,000,000,000,000; numbers of"),
    ],
)
def test_bad_files_are_refused(tmp_path, change, message):
    made = {key: value for key, value in {**arrays(), **change}.items() if value is not None}
    np.savez(tmp_path / "some.npz", **made)
    with pytest.raises(ValueError, match=message):
        npz(str(tmp_path), num_channels=1)


def test_no_file_or_none_that_can_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has 0 files of the suffix \.npz"):
        npz(str(tmp_path), num_channels=1)
    (tmp_path / "some.npz").write_bytes(b"PK no")
    with pytest.raises(ValueError, match=r"some\.npz: cannot be read"):
        npz(str(tmp_path), num_channels=1)
    np.save(tmp_path / "one.npy", np.zeros((6, 3, 5), np.uint8))
    with pytest.raises(ValueError, match=r"one\.npy: cannot be read \(it holds one array without a name"):
        npz(str(tmp_path / "one.npy"), num_channels=1)


def test_whatever_is_damaged_is_refused_in_one_line(tmp_path):
    made = arrays(train=40)
    made["train_images"] = np.random.default_rng(0).integers(0, 255, (40, 3, 5)).astype(np.uint8)
    np.savez_compressed(tmp_path / "some.npz", **made)
    whole = (tmp_path / "some.npz").read_bytes()
    start = whole.index(b"train_images.npy") + 36  # of the compressed pixels
    for place in range(start, start + 60):
        (tmp_path / "some.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"^data\.root=.*some\.npz: cannot be read \(.+\)$"):
            npz(str(tmp_path), num_channels=1)


def test_an_empty_split_is_none(tmp_path):
    np.savez(tmp_path / "some.npz", **arrays(train=6, val=0, test=0))
    source = npz(str(tmp_path), num_channels=1)
    assert source.valid is None
    assert source.untested
