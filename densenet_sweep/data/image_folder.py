"""A user's own pictures: one folder a class, decoded once into a cache beside them."""

import hashlib
import json
import os
import pickle
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from densenet_sweep.data.images import HeldBack, Images, Source
from densenet_sweep.data.split import split

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB"}
_CACHE = ".densenet_sweep"


def image_folder(root: str, *, image_size: int, num_channels: int, test_fraction: float, split_seed: int) -> Source:
    """Return the pictures below `root`, each cut to a centred square and resized to `image_size` pixels.

    `root` holds one folder a class; or `train` and `test`, each with the same class folders. Without a test folder, a
    stratified `test_fraction` is set apart. The decoded pictures are kept in a hidden folder in `root` (or in memory only,
    where `root` cannot be written) and decoded again when a file's name, size or time has changed.

    Raises:
        FileNotFoundError: no such folder, or no pictures in it.
        ValueError: a picture that cannot be decoded (by name), class folders of train and test that differ, or another
            number of channels than 1 and 3.
    """
    folder = Path(root)
    if num_channels not in _MODES:
        raise ValueError(f"data.num_channels={num_channels}: 1 (grey) or 3 (colour) is accepted for pictures")
    if not folder.is_dir():
        raise FileNotFoundError(f"data.root={root}: no such folder; a folder with one folder of pictures a class is accepted")
    if not (folder / "train").is_dir():
        classes = _classes(folder)
        everything = _decoded(folder, folder, classes, image_size, num_channels)
        train, test = split(everything, valid_fraction=test_fraction, num_train=None, seed=split_seed)
        return Source(tuple(classes), train, HeldBack(lambda: test))
    classes = _classes(folder / "train")

    def load_test() -> Images:
        if _classes(folder / "test") != classes:
            raise ValueError(f"{folder / 'test'}: its class folders differ from those in {folder / 'train'}")
        return _decoded(folder, folder / "test", classes, image_size, num_channels)

    return Source(tuple(classes), _decoded(folder, folder / "train", classes, image_size, num_channels), HeldBack(load_test))


def _classes(folder: Path) -> list[str]:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise FileNotFoundError(f"data.root={folder}: has {len(classes)} class folders; at least 2 are accepted")
    return classes


def _decoded(root: Path, folder: Path, classes: Sequence[str], image_size: int, num_channels: int) -> Images:
    """Return the pictures in the class folders of `folder`, from the cache in `root` where it is current."""
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures in its class folders; {', '.join(_SUFFIXES)} are read")
    cache = root / _CACHE / f"{_fingerprint(folder, files, image_size, num_channels)}.pt"
    cached = _cached(cache)
    if cached is not None:
        return cached
    with ThreadPoolExecutor() as threads:  # PIL decodes outside Python's lock
        decoded = list(threads.map(lambda file: decode(file[0], image_size, num_channels), files))
    images = Images(torch.stack(decoded), torch.tensor([label for _, label in files]))
    _store(cache, images)
    return images


def decode(path: Path, image_size: int, num_channels: int) -> Tensor:
    """Return one picture as uint8 of (num_channels, image_size, image_size), cut to a centred square.

    Raises:
        ValueError: it cannot be decoded.
    """
    try:
        with Image.open(path) as picture:
            converted = picture.convert(_MODES[num_channels])
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: cannot be decoded as a picture ({error}); remove or replace it") from None
    square = center_crop(converted, [min(converted.size)] * 2)
    tensor: Tensor = pil_to_tensor(resize(square, [image_size, image_size], antialias=True))
    return tensor


def _fingerprint(folder: Path, files: Sequence[tuple[Path, int]], image_size: int, num_channels: int) -> str:
    listed = [(str(path.relative_to(folder)), label, path.stat().st_size, path.stat().st_mtime_ns) for path, label in files]
    described = json.dumps([str(folder.name), image_size, num_channels, listed])
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _cached(cache: Path) -> Images | None:
    """Return what `_store` kept; nothing where it kept nothing, or the file has been damaged since."""
    try:
        stored = torch.load(cache, weights_only=True)
        return Images(stored["images"], stored["labels"])
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError):
        return None


def _store(cache: Path, images: Images) -> None:
    """Write the cache whole or not at all: several processes may do so at once, and `root` may be read-only."""
    try:
        cache.parent.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=cache.parent)
    except OSError:
        return
    with os.fdopen(descriptor, "wb") as file:
        torch.save({"images": images.images_NCHW, "labels": images.labels_N}, file)
    Path(name).replace(cache)
