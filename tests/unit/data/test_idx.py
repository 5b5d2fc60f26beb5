import gzip
import struct

import numpy as np
import pytest

from densenet_sweep.data import idx


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 1], dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_plain_and_gzipped_files_read_alike(tmp_path, suffix):
    pack = gzip.compress if suffix else bytes
    (tmp_path / f"images{suffix}").write_bytes(pack(idx_bytes(IMAGES)))
    (tmp_path / f"labels{suffix}").write_bytes(pack(idx_bytes(LABELS)))
    found = idx.read_images(idx.find(tmp_path, "images"), idx.find(tmp_path, "labels"))
    assert np.array_equal(found.images_NCHW[:, 0].numpy(), IMAGES)
    assert found.labels_N.tolist() == [7, 1]


def test_a_plain_file_comes_before_a_gzipped_one(tmp_path):
    for name in ("images", "images.gz"):
        (tmp_path / name).touch()
    assert idx.find(tmp_path, "images").name == "images"
    assert idx.find(tmp_path, "nothing") is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("truncated", idx_bytes(IMAGES)[:-1]),
        ("longer", idx_bytes(IMAGES) + b"x"),
        ("only a header", idx_bytes(IMAGES)[:6]),
        ("empty", b""),
        ("floats", b"\0\0\x0d\x01" + b"\0" * 8),
        ("text", b"<html>404</html>"),
        ("truncated.gz", gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9]),
        ("corrupt.gz", b"\x1f\x8b" + b"garbage" * 9),
        ("not gzip.gz", b"hello"),
    ],
)
def test_a_broken_file_is_named_with_what_to_do(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match="delete it and get it again") as caught:
        idx.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_and_labels_must_belong_together(tmp_path):
    (tmp_path / "images").write_bytes(idx_bytes(IMAGES))
    (tmp_path / "labels").write_bytes(idx_bytes(LABELS[:1]))
    with pytest.raises(ValueError, match="does not go with"):
        idx.read_images(tmp_path / "images", tmp_path / "labels")
