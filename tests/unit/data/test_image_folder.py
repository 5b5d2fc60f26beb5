import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from densenet_sweep.data import parts, picture_set
from densenet_sweep.data.image_folder import image_folder, labelled_in
from densenet_sweep.data.split import check_classes

ARGUMENTS = {"image_size": 8, "num_channels": 3, "test_fraction": 0.25, "split_seed": 0}
COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def write_pictures(folder: Path, *, count: int = 8, size: tuple[int, int] = (20, 12)) -> None:
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            suffix = ("png", "jpg")[index % 2]
            Image.new("RGB", size, colour).save(folder / name / f"{index}.{suffix}")


def test_one_folder_a_class_with_a_seeded_test_part(tmp_path):
    write_pictures(tmp_path)
    source = image_folder(str(tmp_path), **ARGUMENTS)
    test = source.load_test()
    assert source.class_names == ("blue", "red")
    assert (len(source.train), len(test)) == (12, 4)
    assert test.labels_N.bincount().tolist() == [2, 2]
    assert source.train.images_NCHW.shape[1:] == (3, 8, 8)
    reds = source.train.images_NCHW[source.train.labels_N == 1].float().mean(dim=(0, 2, 3))
    assert np.allclose(reds.numpy(), [255, 0, 0], atol=2)


def test_train_and_test_folders(tmp_path):
    write_pictures(tmp_path / "train", count=3)
    write_pictures(tmp_path / "test", count=2)
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert (len(source.train), len(source.load_test())) == (6, 4)
    assert source.remark == ""
    shutil.rmtree(tmp_path / "test" / "blue")
    assert image_folder(str(tmp_path), **ARGUMENTS).remark == "no test pictures of blue: a test says nothing of it"
    (tmp_path / "test" / "green").mkdir()
    with pytest.raises(ValueError, match=r"test/green: there is no class green in .*/train; remove or add it"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_a_class_of_two_pictures_leaves_both_to_training_and_validation(tmp_path):
    write_pictures(tmp_path)
    for index in range(2):
        (tmp_path / "white").mkdir(exist_ok=True)
        Image.new("RGB", (20, 12), (255, 255, 255)).save(tmp_path / "white" / f"{index}.png")
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert source.train.labels_N.bincount().tolist() == [6, 6, 2]
    assert source.load_test().labels_N.bincount().tolist() == [2, 2]
    assert source.remark == "no test pictures of white: a test says nothing of it"


def test_what_an_earlier_version_decoded_is_decoded_anew_and_is_the_same_data_set(tmp_path, monkeypatch):
    write_pictures(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(parts, "VERSION", parts.VERSION - 1)
        earlier.setattr(picture_set, "VERSION", parts.VERSION)
        before = image_folder(str(tmp_path), **ARGUMENTS)
        [old] = (tmp_path / ".densenet_sweep").glob("*.npy")
    now = image_folder(str(tmp_path), **ARGUMENTS)
    assert len(set((tmp_path / ".densenet_sweep").glob("*.npy")) - {old}) == 1
    assert (now.train.digest, now.load_test().digest) == (before.train.digest, before.load_test().digest)


def test_grey_pictures(tmp_path):
    write_pictures(tmp_path)
    assert image_folder(str(tmp_path), **{**ARGUMENTS, "num_channels": 1}).train.images_NCHW.shape[1:] == (1, 8, 8)
    with pytest.raises(ValueError, match=r"data\.num_channels=2: 1 \(grey\) or 3"):
        image_folder(str(tmp_path), **{**ARGUMENTS, "num_channels": 2})


def test_pictures_are_decoded_once_and_again_when_they_change(tmp_path, monkeypatch):
    write_pictures(tmp_path)
    opened: list[str] = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(str(path)) or original(path))
    first = image_folder(str(tmp_path), **ARGUMENTS)
    assert len(opened) == 16
    second = image_folder(str(tmp_path), **ARGUMENTS)
    assert len(opened) == 16
    assert (first.train.images_NCHW == second.train.images_NCHW).all()
    Image.new("RGB", (30, 30), (255, 255, 255)).save(tmp_path / "red" / "0.png")
    image_folder(str(tmp_path), **ARGUMENTS)
    assert len(opened) == 32


def test_a_broken_cache_is_not_trusted(tmp_path):
    write_pictures(tmp_path)
    image_folder(str(tmp_path), **ARGUMENTS)
    [cache] = (tmp_path / ".densenet_sweep").glob("*.npy")
    whole = cache.read_bytes()
    cache.write_bytes(whole[:100])
    assert len(image_folder(str(tmp_path), **ARGUMENTS).train) == 12
    assert cache.read_bytes() == whole


def test_pictures_are_decoded_in_blocks_and_keep_their_order(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(10):
            Image.new("L", (8, 8), 20 * index + (name == "b")).save(tmp_path / name / f"{index}.png")
    monkeypatch.setattr("densenet_sweep.data.parts.BLOCK_BYTES", 3 * 8 * 8)
    source = image_folder(str(tmp_path), **{**ARGUMENTS, "num_channels": 1})
    test = source.load_test()
    levels = [*source.train.images_NCHW[:, 0, 0, 0].tolist(), *test.images_NCHW[:, 0, 0, 0].tolist()]
    labels = [*source.train.labels_N.tolist(), *test.labels_N.tolist()]
    assert sorted(levels) == sorted(20 * index + label for index in range(10) for label in (0, 1))
    assert all(level % 2 == label for level, label in zip(levels, labels, strict=True))
    assert source.train.images_NCHW[:, 0, 0, 0].tolist()[:3] == sorted(levels[:3])


def test_a_full_disk_is_remarked(tmp_path, monkeypatch):
    write_pictures(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert len(source.train) == 12
    assert "No space left on device" in source.remark


def test_a_picture_that_is_none_is_named(tmp_path):
    write_pictures(tmp_path)
    (tmp_path / "red" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(
        ValueError, match=r"1 of 17 pictures cannot be decoded as a picture \(red 1\): red/broken\.png \(no format"
    ):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        image_folder(str(tmp_path / "nothing"), **ARGUMENTS)
    with pytest.raises(FileNotFoundError, match="has no class folders"):
        image_folder(str(tmp_path), **ARGUMENTS)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError, match="no pictures in its class folders"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_names_that_are_not_utf8_are_shown_escaped_and_refused_of_classes(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for index in range(4):
            Image.new("L", (4, 4), index).save(tmp_path / label / f"{index}.png")
    odd = os.path.join(os.fsencode(tmp_path), b"a", b"caf\xe9\n.png")  # noqa: PTH118 - bytes
    Path(os.fsdecode(odd)).write_bytes((tmp_path / "a" / "0.png").read_bytes())
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert r"a/caf\xe9\n.png" in source.found.names
    Path(os.fsdecode(odd)).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1 of 9 pictures cannot be decoded as a picture \(a 1\): a/caf\\xe9\\n.png \(no"):
        image_folder(str(tmp_path), **ARGUMENTS)
    Path(os.fsdecode(odd)).unlink()
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(ValueError, match=r"/caf\\xe9: the name of a class is not one line of UTF-8; rename the folder$"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_of_several_pages_or_frames_the_first_is_read_and_that_is_said(tmp_path):
    first, second = Image.new("L", (4, 4), 10), Image.new("L", (4, 4), 200)
    for label in "ab":
        (tmp_path / label).mkdir()
        for name in ("0.tif", "1.gif", "2.webp", "3.png"):
            options = {"lossless": True} if name == "2.webp" else {}
            first.save(tmp_path / label / name, save_all=True, append_images=[second], **options)
            first.save(tmp_path / label / f"single-{name}")
        first.save(tmp_path / label / "4.jpg")
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert source.remark == "8 files with more than one page or frame, such as a/0.tif: the first one is read"
    assert set(source.train.images_NCHW.flatten().tolist()) <= {9, 10, 11}
    assert image_folder(str(tmp_path), **ARGUMENTS).remark == source.remark  # as they are kept


def test_folders_that_may_be_one_class_are_said(tmp_path):
    for label in ("Golden retriever", "golden_retriever"):
        (tmp_path / label).mkdir()
        for index in range(4):
            Image.new("L", (4, 4), index).save(tmp_path / label / f"{index}.png")
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert source.remark == "classes Golden retriever and golden_retriever may be one"


def test_names_that_look_the_same_are_one_class_in_all_splits_and_in_tables(tmp_path):
    for folder in ("train/e\u0301", "train/b ", "val/\u00e9", "val/b", "test/\u00e9", "test/ b"):
        (tmp_path / folder).mkdir(parents=True)
        for index in range(3):
            Image.new("L", (4, 4), index).save(tmp_path / folder / f"{index}.png")
    source = image_folder(str(tmp_path), **ARGUMENTS)
    assert (source.class_names, source.remark) == (("b", "\u00e9"), "")
    assert [len(it) for it in (source.train, source.valid, source.load_test())] == [6, 6, 6]
    assert set(labelled_in(str(tmp_path / "train"), ())[1]) == {"b", "\u00e9"}
    (tmp_path / "train" / "b").mkdir()
    with pytest.raises(ValueError, match=r"train: '(b|b )' differs from '(b|b )' in what cannot be seen; one folder b is"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_a_class_that_a_given_validation_split_lacks_is_named_with_the_split(tmp_path):
    for split, classes in (("train", "abc"), ("val", "ab"), ("test", "abc")):
        for label in classes:
            (tmp_path / split / label).mkdir(parents=True)
            for index in range(3):
                Image.new("L", (4, 4), index).save(tmp_path / split / label / f"{index}.png")
    source = image_folder(str(tmp_path), **ARGUMENTS)
    with pytest.raises(ValueError, match=r"^class c has 3 images, and none of them for validation: a class needs an image"):
        check_classes(source.train, source.valid, source.class_names)


def test_a_root_that_is_no_folder_of_classes_says_what_it_is(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        FileNotFoundError, match=r"file: is a file; a folder with one folder of pictures a class is accepted, or"
    ):
        image_folder(str(tmp_path / "file"), **ARGUMENTS)
    (tmp_path / "images" / "a").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"has only one class folder, images; at least 2 are accepted"):
        image_folder(str(tmp_path), **ARGUMENTS)


def test_class_folders_that_are_called_like_splits_are_classes_of_the_model(tmp_path):
    for name in ("valid", "Test"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "0.png")
    assert labelled_in(str(tmp_path), ("invalid", "valid", "Test"))[1] == ["Test", "valid"]
    with pytest.raises(ValueError, match=r": has folders of splits; one of \S+/Test is accepted$"):
        labelled_in(str(tmp_path), ("invalid", "valid"))
    with pytest.raises(ValueError, match=r": has folders of splits; one of \S+/Test, \S+/valid is accepted$"):
        labelled_in(str(tmp_path), ("cats", "dogs"))
