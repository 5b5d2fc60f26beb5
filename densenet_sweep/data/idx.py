"""MNIST's idx files: plain ones are mapped, so that processes share their pixels; gzipped ones are unpacked in memory."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from torch import Tensor

from densenet_sweep.counts import counted
from densenet_sweep.data.images import Images, as_tensor

# The third byte of an idx file is its number type (yann.lecun.com's description); the MNIST family has only this one.
_UINT8 = 0x08


def find(folder: Path, name: str) -> Path | None:
    """Return the file `name` in `folder`, preferably plain, else gzipped, else None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def read(path: Path) -> Tensor:
    """Return the array in the idx file at `path` as read-only uint8.

    Raises:
        ValueError: truncated, or no idx file of bytes.
    """
    try:
        if path.suffix == ".gz":
            data = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)
        else:
            data = np.memmap(path, np.uint8, mode="r")
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:  # the last for an empty file
        raise ValueError(f"{path}: corrupt or truncated ({error}); delete it and get it again") from None
    if len(data) < 4 or data[:3].tolist() != [0, 0, _UINT8]:
        raise ValueError(f"{path}: not an idx file of bytes; delete it and get it again")
    num_dimensions = int(data[3])
    header = 4 + 4 * num_dimensions
    shape = tuple(np.frombuffer(data, ">u4", count=num_dimensions, offset=4).tolist()) if len(data) >= header else ()
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(data) < header or len(data) != expected:
        raise ValueError(f"{path}: {counted(len(data), 'byte')} instead of {expected}; delete it and get it again")
    return as_tensor(data[header:].reshape(shape))


def read_images(images_path: Path, labels_path: Path) -> Images:
    """Return the images of one idx file with the labels of another.

    Raises:
        ValueError: a file that cannot be read, or two that do not belong together.
    """
    images_NHW, labels_N = read(images_path), read(labels_path)
    if images_NHW.ndim != 3 or labels_N.shape != images_NHW.shape[:1]:
        raise ValueError(
            f"{images_path}: holds an array of shape {tuple(images_NHW.shape)}, which does not go with the "
            f"labels of shape {tuple(labels_N.shape)} in {labels_path}"
        )
    return Images(images_NHW[:, None], labels_N.long())
