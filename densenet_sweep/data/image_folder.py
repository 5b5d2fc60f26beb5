"""A user's own pictures: one folder a class, decoded once into a file beside them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from densenet_sweep.data.cache import Decoded, Decoding, file_name, kept
from densenet_sweep.data.images import BLOCK_BYTES, HeldBack, Images, Source
from densenet_sweep.data.split import split

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB"}


def image_folder(root: str, *, image_size: int, num_channels: int, test_fraction: float, split_seed: int) -> Source:
    """Return the pictures below `root`, each cut to a centred square and resized to `image_size` pixels.

    `root` holds one folder a class; or `train` and `test`, each with the same class folders. Without a test folder, a
    stratified `test_fraction` is set apart. The decoded pictures are kept in a file (see `decoded`), and are decoded again when
    a picture's name, size or time has changed; neither this nor their use needs memory for all of them.

    Raises:
        FileNotFoundError: no such folder, or no pictures in it.
        ValueError: a picture that cannot be decoded (by name), class folders of train and test that differ, or another
            number of channels than 1 and 3.
        OSError: the decoded pictures fit neither on a disk nor into memory.
    """
    folder = Path(root)
    if num_channels not in _MODES:
        raise ValueError(f"data.num_channels={num_channels}: 1 (grey) or 3 (colour) is accepted for pictures")
    if not folder.is_dir():
        raise FileNotFoundError(f"data.root={root}: no such folder; a folder with one folder of pictures a class is accepted")
    if not (folder / "train").is_dir():
        classes = _classes(folder)
        everything = _decoded(folder, folder, classes, image_size, num_channels)
        train, test = split(everything.images, valid_fraction=test_fraction, num_train=None, seed=split_seed)
        return Source(tuple(classes), train, HeldBack(lambda: test), everything.remark)
    classes = _classes(folder / "train")

    def load_test() -> Images:
        if _classes(folder / "test") != classes:
            raise ValueError(f"{folder / 'test'}: its class folders differ from those in {folder / 'train'}")
        return _decoded(folder, folder / "test", classes, image_size, num_channels).images

    decoded = _decoded(folder, folder / "train", classes, image_size, num_channels)
    return Source(tuple(classes), decoded.images, HeldBack(load_test), decoded.remark)


def _classes(folder: Path) -> list[str]:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise FileNotFoundError(f"data.root={folder}: has {len(classes)} class folders; at least 2 are accepted")
    return classes


def _decoded(root: Path, folder: Path, classes: Sequence[str], image_size: int, num_channels: int) -> Decoded:
    """Return the pictures in the class folders of `folder`, from the file in `root` where it is current."""
    # As texts: there may be millions, and a Path is several times as large.
    files = [
        (str(path), label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures in its class folders; {', '.join(_SUFFIXES)} are read")
    name = file_name(f"{folder.name}-{image_size}px", num_channels, *_identities(folder, files))
    shape_CHW = (num_channels, image_size, image_size)
    labels = [label for _, label in files]
    paths = [path for path, _ in files]
    return kept(name, root, lambda: Decoding(classes, labels, shape_CHW, lambda: _blocks(paths, image_size, num_channels)))


def _blocks(paths: Sequence[str], image_size: int, num_channels: int) -> Iterator[np.ndarray]:
    """Yield the decoded pictures, some at a time."""
    size = max(1, BLOCK_BYTES // (num_channels * image_size**2))
    with ThreadPoolExecutor() as threads:  # PIL decodes outside Python's lock
        for start in range(0, len(paths), size):
            some = paths[start : start + size]
            yield np.stack(list(threads.map(lambda path: decode(Path(path), image_size, num_channels).numpy(), some)))


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


def _identities(folder: Path, files: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int, int, int]]:
    """Yield name, label, size and time of each file."""
    for path, label in files:
        stat = Path(path).stat()
        yield path.removeprefix(str(folder)), label, stat.st_size, stat.st_mtime_ns
