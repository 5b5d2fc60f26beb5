"""Pictures of a user's own as a set: one range of values, all bad ones at once, parts, copies, and the line on them."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from densenet_sweep.data import found, parts
from densenet_sweep.data.image_folder import image_folder
from densenet_sweep.data.images import Source
from densenet_sweep.data.split import split

ARGUMENTS = {"image_size": 4, "num_channels": 1, "test_fraction": 0.25, "split_seed": 0}


def paint(folder: Path, name: str, level: int, *, dtype: type = np.uint8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), level, dtype)).save(folder / name)
    return folder / name


def paint_splits(root: Path, counts: dict[str, int]) -> None:
    level = 0
    for split_name, count in counts.items():
        for label in ("a", "b"):
            for index in range(count):
                level += 1
                paint(root / split_name / label, f"{index}.png", level)


def lines(source: Source, valid_fraction: float = 0.25) -> str:
    if source.valid is not None:
        return found.line(source, source.train, source.valid)
    train, valid = split(source.train, valid_fraction=valid_fraction, num_train=None, seed=0)
    return found.line(source, train, valid)


def test_one_range_of_values_is_that_of_the_training_pictures(tmp_path):
    for split_name, levels in {"train": (1000, 3000), "val": (2000, 9000), "test": (0, 1500)}.items():
        for label, level in zip("ab", levels, strict=True):
            paint(tmp_path / split_name / label, "1.png", level, dtype=np.uint16)
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert source.valid is not None
    assert source.value_range == (1000, 3000)
    assert source.train.images_NCHW[:, 0, 0, 0].tolist() == [0, 255]
    assert source.valid.images_NCHW[:, 0, 0, 0].tolist() == [128, 255]
    assert source.load_test().images_NCHW[:, 0, 0, 0].tolist() == [0, 64]
    assert "values 1000 (black) to 3000 (white)" in lines(source)
    given = image_folder(str(tmp_path), **ARGUMENTS, value_range=[0, 10_000])
    assert given.value_range == (0, 10_000)
    assert given.train.images_NCHW[:, 0, 0, 0].tolist() == [26, 76]


def test_test_pictures_that_are_set_apart_do_not_widen_it(tmp_path):
    for label in "ab":
        for index in range(8):
            paint(tmp_path / label, f"{index}.png", 1000 * index + 100 * (label == "b"), dtype=np.uint16)
    ranges = set()
    for seed in range(6):
        source = image_folder(str(tmp_path), **{**ARGUMENTS, "split_seed": seed})
        test_names = [source.found.names[row] for row in source.found.test_rows]
        rest = [
            1000 * index + 100 * (label == "b")
            for label in "ab"
            for index in range(8)
            if f"{label}/{index}.png" not in test_names
        ]
        assert source.value_range == (min(rest), max(rest))
        ranges.add(source.value_range)
    assert len(ranges) > 1


def test_8_bit_pictures_among_them_are_levels(tmp_path):
    for label in "ab":
        for index in range(4):
            paint(tmp_path / label, f"{index}.png", 1000 * index, dtype=np.uint16)
            paint(tmp_path / label, f"{index}.bmp", 50)
    source = image_folder(str(tmp_path), **ARGUMENTS)
    both = torch.cat([source.train.images_NCHW, source.load_test().images_NCHW])[:, 0, 0, 0].tolist()
    assert both.count(50) == 8
    assert source.value_range is not None
    said = "8 pictures are read as 8-bit levels, such as a/0.bmp; the range of values is that of the others"
    assert source.remark == said
    for path in tmp_path.glob("*/*.png"):
        path.unlink()
    unused = image_folder(str(tmp_path), **ARGUMENTS, value_range=[0, 100])
    assert unused.remark == "data.value_range changes nothing, as all pictures are read as 8-bit levels"


def test_floating_point_is_refused_without_a_range_even_if_bad_ones_are_skipped(tmp_path):
    for label in "ab":
        for index in range(3):
            paint(tmp_path / label, f"{index}.tif", index, dtype=np.float32)
    message = r"^6 pictures hold floating-point values, such as a/0\.tif: data\.value_range=\[LOW,HIGH\] says"
    with pytest.raises(ValueError, match=message):
        image_folder(str(tmp_path), **ARGUMENTS, on_bad_picture="skip")
    source = image_folder(str(tmp_path), **ARGUMENTS, value_range=[0, 2])
    shown = torch.cat([source.train.images_NCHW, source.load_test().images_NCHW])
    assert sorted(set(shown.flatten().tolist())) == [0, 128, 255]


def test_all_bad_pictures_are_named_at_once_and_can_be_skipped(tmp_path, monkeypatch):
    paint_splits(tmp_path, {"train": 4, "val": 2, "test": 2})
    whole = (tmp_path / "train" / "a" / "0.png").read_bytes()
    (tmp_path / "train" / "b" / "2.png").write_bytes(whole[:40])
    (tmp_path / "test" / "a" / "1.png").write_bytes(b"")
    (tmp_path / "train" / "a" / "broken.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "train" / "a" / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "train" / "b" / "pipe.png").symlink_to(tmp_path / "pipe")
    with pytest.raises(ValueError, match="5 of 19 pictures cannot be decoded") as raised:
        image_folder(str(tmp_path), **ARGUMENTS)
    message = str(raised.value)
    assert "(a 3, b 2)" in message
    assert "train/a/broken.png (No such file or directory)" in message
    assert "train/a/loop.png (Too many levels of symbolic links)" in message
    assert "train/b/pipe.png (is no file)" in message
    assert "train/b/2.png (" in message
    assert "test/a/1.png (no format that can be read)" in message
    assert message.endswith("data.on_bad_picture=skip leaves them out")
    assert "\n" not in message
    # Nothing that was decoded is decoded again.
    monkeypatch.setattr(Image, "open", None)
    source = image_folder(str(tmp_path), **ARGUMENTS, on_bad_picture="skip")
    assert lines(source) == (
        "train 7 (a 4, b 3), valid 4 (a 2, b 2), test 3 (a 1, b 2); "
        "left out: 1 beside class folders, 5 bad, such as train/a/broken.png"
    )
    assert len(source.load_test()) == 3
    with pytest.raises(ValueError, match="5 of 19 pictures"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_an_interruption_costs_a_part(tmp_path, monkeypatch):
    for label in "ab":
        for index in range(5):
            paint(tmp_path / label, f"{index}.png", 20 * index, dtype=(np.uint16, np.uint8)[index % 2])
    monkeypatch.setattr(parts, "BLOCK_BYTES", 3 * 4 * 4)
    opened: list[str] = []
    original = parts._read

    def stopping(path: str, how: object) -> object:
        opened.append(path)
        if len(opened) == 5:
            raise KeyboardInterrupt
        return original(path, how)

    monkeypatch.setattr(parts, "_read", stopping)
    with pytest.raises(KeyboardInterrupt):
        image_folder(str(tmp_path), **ARGUMENTS)
    first = set(opened[:3])
    opened.clear()
    opened += [""] * 10
    interrupted = image_folder(str(tmp_path), **ARGUMENTS)
    assert not first & set(opened)
    assert len(opened) == 10 + 7
    assert [path.name for path in (tmp_path / ".densenet_sweep").iterdir() if path.name != "lock"] == [
        path.name for path in (tmp_path / ".densenet_sweep").glob("*.npy")
    ]
    shutil.rmtree(tmp_path / ".densenet_sweep")
    whole = image_folder(str(tmp_path), **ARGUMENTS)
    assert whole.train.digest == interrupted.train.digest


def test_a_damaged_part_is_decoded_again(tmp_path):
    paint_splits(tmp_path, {"train": 3, "val": 1})
    (tmp_path / "train" / "a" / "9.png").write_bytes(b"bad")
    with pytest.raises(ValueError, match="1 of 9"):
        image_folder(str(tmp_path), **ARGUMENTS)
    [part] = (tmp_path / ".densenet_sweep" / "parts").iterdir()
    content = bytearray(part.read_bytes())
    content[400] ^= 255
    part.write_bytes(content)
    assert len(image_folder(str(tmp_path), **ARGUMENTS, on_bad_picture="skip").train) == 6


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Train", "Val", "Test"), ("TRAINING", "VALIDATION", "TESTING"), ("training", "valid", "test")],
)
def test_the_line_says_what_was_found(tmp_path, names):
    paint_splits(tmp_path, dict(zip(names, (40, 15, 15), strict=True)))
    assert (
        lines(image_folder(str(tmp_path), **ARGUMENTS)) == "train 80 (a 40, b 40), valid 30 (a 15, b 15), test 30 (a 15, b 15)"
    )


def test_copies_across_splits_are_found_by_content(tmp_path):
    paint_splits(tmp_path, {"train": 4, "val": 3, "test": 2})
    shutil.copy(tmp_path / "train" / "a" / "1.png", tmp_path / "val" / "b" / "0.png")
    shutil.copy(tmp_path / "train" / "a" / "2.png", tmp_path / "val" / "a" / "new.png")
    shutil.copy(tmp_path / "val" / "a" / "1.png", tmp_path / "test" / "a" / "0.png")
    said = lines(image_folder(str(tmp_path), **ARGUMENTS))
    assert "; 2 of valid are copies of train's, such as val/a/new.png of train/a/2.png" in said
    source = image_folder(str(tmp_path), **ARGUMENTS)
    said_of_labels = found.contradictions(source, source.train, source.valid)
    assert said_of_labels == "1 picture is a copy of one with another label, such as val/b/0.png of train/a/1.png"
    assert said.endswith("; 1 of test is a copy of valid's, such as test/a/0.png of val/a/1.png")
    assert "of test is a copy of train" not in said


def test_copies_are_found_where_the_splits_are_cut(tmp_path):
    for label in "ab":
        for index in range(12):
            paint(tmp_path / label, f"{index}.png", 5 if label == "a" else 100 + index)
    said = lines(image_folder(str(tmp_path), **ARGUMENTS))
    assert re.search(r"; \d of valid (are copies|is a copy) of train's", said)
    assert re.search(r"; \d of test are copies of train's, such as a/\d+\.png of a/\d+\.png", said)


def test_what_is_no_picture_is_left_out_and_counted(tmp_path):
    paint_splits(tmp_path, {"train": 3, "val": 2, "test": 2})
    for name in (".hidden.png", "._0.png", "notes.txt", "more.TXT", "README"):
        (tmp_path / "train" / "a" / name).write_bytes(b"x")
    for name in (".ipynb_checkpoints", "__MACOSX"):
        shutil.copytree(tmp_path / "train" / "a", tmp_path / "train" / name)
        shutil.copytree(tmp_path / "train" / "a", tmp_path / "train" / "b" / name)
        shutil.copytree(tmp_path / "train", tmp_path / name)
    (tmp_path / "labels.csv").touch()
    (tmp_path / "masks").mkdir()
    os.mkfifo(tmp_path / "train" / "a" / "pipe.png")
    said = lines(image_folder(str(tmp_path), **ARGUMENTS))
    assert said.startswith("train 6 (a 3, b 3), valid 4 (a 2, b 2), test 4 (a 2, b 2); left out: ")
    for part in (
        "8 hidden",
        "2 .txt",
        "1 without suffix",
        "1 beside class folders",
        "1 no file",
        "1 folder beside train: masks",
    ):
        assert part in said


def test_every_suffix_of_pillows_and_links_to_folders_are_read(tmp_path):
    for label in "ab":
        elsewhere = tmp_path / "elsewhere" / label
        for index, suffix in enumerate((".jfif", ".avif", ".jp2", ".TIF")):
            elsewhere.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), 30 * index).save(elsewhere / f"x{suffix}")
        (tmp_path / "root" / label).mkdir(parents=True)
        (tmp_path / "root" / label / "linked").symlink_to(elsewhere)
    (tmp_path / "root" / "c").symlink_to(tmp_path / "elsewhere" / "a")
    source = image_folder(str(tmp_path / "root"), **ARGUMENTS)
    assert len(source.train) + len(source.load_test()) == 12


def test_a_link_that_leads_back_is_refused(tmp_path):
    paint_splits(tmp_path, {"train": 2})
    (tmp_path / "train" / "a" / "deeper").mkdir()
    (tmp_path / "train" / "a" / "deeper" / "again").symlink_to(tmp_path / "train" / "a")
    with pytest.raises(ValueError, match=r"deeper/again: is a link to a folder that it lies in"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_a_class_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    paint_splits(tmp_path, {"train": 2, "val": 1})
    original = os.scandir

    def scandir(path: object) -> object:
        if str(path).endswith("train/b"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(OSError, match=r"train/b: cannot be read \(Permission denied\)"):
        image_folder(str(tmp_path), **ARGUMENTS)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("val", "test"), "test and val are folders of splits, and there is none for training"),
        (("Testing", "Validation", "a"), "Testing and Validation are folders of splits"),
        (("train", "Train"), "Train and train are both folders for train; one is accepted"),
        (("train", "val", "valid"), "val and valid are both folders for valid"),
    ],
)
def test_folders_of_splits_are_never_classes(tmp_path, folders, message):
    paint_splits(tmp_path, dict.fromkeys(folders, 2))
    with pytest.raises(ValueError, match=message):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_a_split_beside_the_classes_that_it_has_is_no_class(tmp_path):
    for folder in ("a", "b", "test/a", "test/b"):
        paint(tmp_path / folder, "0.png", 1)
    with pytest.raises(ValueError, match=r"test has folders of classes, such as a, and is beside them; a folder train"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_a_single_class_may_be_called_test(tmp_path):
    for label in ("control", "test"):
        for index in range(4):
            paint(tmp_path / label, f"{index}.png", index)
    assert image_folder(str(tmp_path), **ARGUMENTS).class_names == ("control", "test")


def test_a_test_folder_that_is_missing_or_flat_is_known_before(tmp_path):
    paint_splits(tmp_path, {"train": 3, "val": 2})
    missing = image_folder(str(tmp_path), **ARGUMENTS)
    assert "has no test pictures in class folders; a folder test with those of train is accepted" in missing.untested
    assert lines(missing).endswith("test 0")
    with pytest.raises(FileNotFoundError, match="has no test pictures in class folders"):
        missing.load_test()
    paint(tmp_path / "test", "1.png", 3)
    assert image_folder(str(tmp_path), **ARGUMENTS).untested == missing.untested
    paint(tmp_path / "test" / "a", "1.png", 3)
    assert image_folder(str(tmp_path), **ARGUMENTS).untested == ""
    paint(tmp_path / "test" / "c", "1.png", 3)
    with pytest.raises(ValueError, match=r"test/c: there is no class c in .*/train; remove or add it"):
        image_folder(str(tmp_path), **ARGUMENTS)
