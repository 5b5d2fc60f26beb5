"""Labelled images in a file of NumPy's arrays, as MedMNIST has them (Yang et al., 2023)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densenet_sweep.counts import counted
from densenet_sweep.data.cache import Decoded, Decoding, file_name, load_or_decode
from densenet_sweep.data.images import Found, HeldBack, Images, Source
from densenet_sweep.data.labels import is_multi_label
from densenet_sweep.data.picture import content_hash
from densenet_sweep.data.reading import as_range

_SPLITS = {"train": "train", "valid": "val", "test": "test"}


def npz(root: str, *, num_channels: int, value_range: list[float] | None = None) -> Source:
    """Return the images of `train_images` (N, height, width, and 3 for colour) with `train_labels`; so for `val` and `test`.

    Labels are numbers of classes, (N) or (N, 1); or zeros and ones, (N, K), for any number of K classes an image.
    Other types than uint8 are scaled by `value_range`, or by the lowest and highest value of the training images.

    Args:
        root: the file, or a folder that has one.
        num_channels: 1 (grey) or 3 (colour); a grey image has its channel three times then.
        value_range: black and white of values; floating-point ones need it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it has no such arrays.
        OSError: the images fit neither on a disk nor into memory.
    """
    path = _file(Path(root))
    stat = path.stat()
    given = as_range(value_range)
    name = file_name(f"{path.stem}-npz", num_channels, given, stat.st_size, stat.st_mtime_ns)
    decoded = load_or_decode(name, path.parent, lambda: _decoding(path, num_channels, given))
    source = _source(decoded, path)
    if given is None or source.value_range is not None:
        return source
    unused = "data.value_range changes nothing, as all images are 8-bit levels"
    return replace(source, remark="; ".join(filter(None, [source.remark, unused])))


def _source(decoded: Decoded, path: Path) -> Source:
    about = decoded.about
    bounds = np.cumsum([0, *about["counts"]])
    rows = {name: np.arange(bounds[index], bounds[index + 1]) for index, name in enumerate(_SPLITS)}
    labels = decoded.images.labels_N.numpy()
    untested = "" if len(rows["test"]) else f"data.root={path}: has no test_images"

    def load_test() -> Images:
        if untested:
            raise FileNotFoundError(untested)
        return decoded.images.select(torch.from_numpy(rows["test"]))

    contents = np.array(
        [content_hash(image.numpy().tobytes()) for block in decoded.images.blocks() for image in block], dtype=np.uint64
    )
    return Source(
        decoded.class_names,
        decoded.images.select(torch.from_numpy(rows["train"])),
        HeldBack(load_test),
        decoded.remark,
        valid=decoded.images.select(torch.from_numpy(rows["valid"])) if len(rows["valid"]) else None,
        value_range=None if about["value_range"] is None else (about["value_range"][0], about["value_range"][1]),
        untested=untested,
        found=Found(
            names=[f"{_SPLITS[name]}_images[{index}]" for name in _SPLITS for index in range(len(rows[name]))],
            contents=contents,
            test_rows=rows["test"],
            test_labels=labels[rows["test"]],
            are_files=False,
        ),
    )


def _file(root: Path) -> Path:
    files = sorted(root.glob("*.npz")) if root.is_dir() else [root]
    if len(files) != 1:
        raise FileNotFoundError(f"data.root={root}: has {counted(len(files), 'file')} of the suffix .npz; name one of them")
    if not files[0].is_file():
        raise FileNotFoundError(f"data.root={root}: no such file; a .npz of MedMNIST's form is accepted")
    return files[0]


def _decoding(path: Path, num_channels: int, given: tuple[float, float] | None) -> Decoding:
    arrays = _arrays(path)
    pairs = {}
    for name, theirs in _SPLITS.items():
        keys = (f"{theirs}_images", f"{theirs}_labels")
        if name == "train" or keys[0] in arrays:
            missing = [key for key in keys if key not in arrays]
            if missing:
                raise ValueError(f"data.root={path}: has no array {missing[0]}; it has {', '.join(arrays) or 'none'}")
            if name == "train" or arrays[keys[0]].size:
                pairs[name] = _pair(path, theirs, arrays[keys[0]], arrays[keys[1]], num_channels)
    value_range = None
    images = {name: pair[0] for name, pair in pairs.items()}
    train = images["train"]
    for name, array in images.items():
        if (array.dtype, array.shape[2:]) != (train.dtype, train.shape[2:]):
            raise ValueError(
                f"data.root={path}: {_SPLITS[name]}_images are {_kind(array)}, and train_images {_kind(train)}; the same is "
                "accepted"
            )
    if train.dtype != np.uint8:
        if given is None and not np.issubdtype(train.dtype, np.integer):
            raise ValueError(
                f"data.root={path}: train_images are {train.dtype}: data.value_range=[LOW,HIGH] says what is black and white"
            )
        value_range = given or (float(train.min()), float(train.max()))
        images = {name: _levels(array, value_range) for name, array in images.items()}
    shapes = {pair[1].shape[1:] for pair in pairs.values()}
    if len(shapes) > 1:
        raise ValueError(f"data.root={path}: labels of one class an image and of several, or of other numbers of classes")
    labels = np.concatenate([pair[1] for pair in pairs.values()])
    num_classes = labels.shape[1] if is_multi_label(labels) else int(labels.max()) + 1
    if num_classes > len(labels) and not is_multi_label(labels):
        raise ValueError(
            f"data.root={path}: {counted(len(labels), 'image')} with labels up to {num_classes - 1:,}; numbers of "
            "classes, from 0 on, are accepted"
        )
    whole = np.concatenate(list(images.values()))
    about: dict[str, Any] = {
        "counts": [len(images[name]) if name in images else 0 for name in _SPLITS],
        "value_range": value_range,
    }
    return Decoding([str(label) for label in range(num_classes)], labels.tolist(), whole.shape[1:], lambda: [whole], about)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise TypeError("it holds one array without a name; numpy.savez keeps several")
        with file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # a damaged archive may raise anything: zlib's error is of no other kind
        raise ValueError(f"data.root={path}: cannot be read ({' '.join(str(error).split())})") from None


def _kind(images_NCHW: np.ndarray) -> str:
    """Return such as `uint8 of 28x28`."""
    return f"{images_NCHW.dtype} of {images_NCHW.shape[2]}x{images_NCHW.shape[3]}"


def _pair(path: Path, name: str, images: np.ndarray, labels: np.ndarray, num_channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images of NCHW and labels of N or, for several an image, of NK."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(f"data.root={path}: {name}_images has the shape {images.shape}; (N, height, width[, 3]) is accepted")
    if images.dtype.kind not in "buif":
        raise ValueError(f"data.root={path}: {name}_images are {images.dtype}; numbers are accepted")
    if images.shape[-1] == 3 and num_channels == 1:
        raise ValueError(f"data.num_channels=1: 3 is accepted, as {path.name} has colour images")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    is_fit = labels.ndim in (1, 2) and len(labels) == len(images) and labels.dtype.kind in "bui" and labels.size > 0
    if not is_fit or labels.min() < 0 or (labels.ndim == 2 and labels.max() > 1):
        raise ValueError(
            f"data.root={path}: {name}_labels is {labels.dtype} of the shape {labels.shape}; a whole number an image is "
            "accepted, from 0 on, or a row of zeros and ones"
        )
    repeated = np.repeat(images, num_channels // images.shape[-1], axis=-1)
    return np.ascontiguousarray(repeated.transpose(0, 3, 1, 2)), labels.astype(np.int64)


def _levels(images: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    low, high = value_range
    shares = np.clip((images.astype(np.float32) - low) / (high - low), 0, 1) if high > low else images * 0.0
    levels: np.ndarray = (np.nan_to_num(shares) * 255).round().astype(np.uint8)
    return levels
