"""MNIST's idx files, plain or gzipped, read without unpacking them to the disk."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from densenet_sweep.data.images import Images

# The third byte of an idx file is its number type (yann.lecun.com's description); the MNIST family has only this one.
_UINT8 = 0x08


def find(folder: Path, name: str) -> Path | None:
    """Return the file `name` in `folder`, plain before gzipped, or nothing."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def read(path: Path) -> Tensor:
    """Return the array in the idx file at `path` as uint8.

    Raises:
        ValueError: truncated, or no idx file of bytes.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: corrupt or truncated ({error}); delete it and get it again") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UINT8:
        raise ValueError(f"{path}: not an idx file of bytes; delete it and get it again")
    num_dimensions = data[3]
    header = 4 + 4 * num_dimensions
    shape = tuple(np.frombuffer(data, ">u4", count=num_dimensions, offset=4).tolist()) if len(data) >= header else ()
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(data) < header or len(data) != expected:
        raise ValueError(f"{path}: {len(data)} bytes instead of {expected}; delete it and get it again")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy())


def read_images(images_path: Path, labels_path: Path) -> Images:
    """Return the images of one idx file with the labels of another.

    Raises:
        ValueError: a file that cannot be read, or two that do not belong together.
    """
    images_NHW, labels_N = read(images_path), read(labels_path)
    if images_NHW.ndim != 3 or labels_N.shape != images_NHW.shape[:1]:
        raise ValueError(
            f"{images_path}: holds an array of shape {tuple(images_NHW.shape)}, which does not go with the "
            f"{tuple(labels_N.shape)} labels in {labels_path}"
        )
    return Images(images_NHW[:, None], labels_N.long())
