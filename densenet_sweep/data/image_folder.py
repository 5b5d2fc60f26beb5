"""A user's own pictures: one folder a class, decoded once into a file beside them."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from densenet_sweep.data.cache import Decoded, Decoding, file_name, load_or_decode
from densenet_sweep.data.images import BLOCK_BYTES, HeldBack, Images, Source
from densenet_sweep.data.split import split

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MODES = {1: "L", 3: "RGB"}


def image_folder(root: str, *, image_size: int, num_channels: int, test_fraction: float, split_seed: int) -> Source:
    """Return the pictures below `root`, each cut to a centred square and resized to `image_size` pixels.

    `root` holds one folder a class; or `train` and `test`, each with the same class folders. Without a test folder, a
    stratified `test_fraction` is set apart. The decoded pictures are kept in a file (see `cache.load_or_decode`), and decoded
    again when a picture's name, size or time has changed. Neither decoding nor use needs memory for all of them.

    Raises:
        FileNotFoundError: no such folder, or no pictures in it.
        ValueError: a picture that cannot be decoded (by name), a class of test that train does not have, or another number of
            channels than 1 and 3.
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
        train, test = split(
            everything.images,
            valid_fraction=test_fraction,
            num_train=None,
            seed=split_seed,
            key="data.test_fraction",
            num_left=2,  # one for training and one for validation come first
        )
        tested = {classes[label] for label in set(test.labels_N.tolist())}
        return Source(tuple(classes), train, HeldBack(lambda: test), _joined(everything.remark, _untested(classes, tested)))
    classes = _classes(folder / "train")

    remark = _remark_on_test(folder / "test", classes)  # from file names alone: reads no test picture

    def load_test() -> Images:
        return _decoded(folder, folder / "test", classes, image_size, num_channels).images

    decoded = _decoded(folder, folder / "train", classes, image_size, num_channels)
    return Source(tuple(classes), decoded.images, HeldBack(load_test), _joined(decoded.remark, remark))


def _remark_on_test(folder: Path, classes: Sequence[str]) -> str:
    """Return a remark on the classes without test pictures; an empty one where the test folder does not exist yet.

    Raises:
        ValueError: the test folder has a class that the training folder lacks.
    """
    if not folder.is_dir():
        return ""
    unknown = [path.name for path in _class_folders(folder) if path.name not in classes]
    if unknown:
        raise ValueError(
            f"{folder / unknown[0]}: there is no class {unknown[0]} in {folder.parent / 'train'}; remove or add it"
        )
    return _untested(classes, {name for name in classes if next(_pictures(folder / name), None) is not None})


def _untested(classes: Sequence[str], tested: Collection[str]) -> str:
    """Return a sentence that names the classes without test pictures; empty if each has some."""
    untested = [name for name in classes if name not in tested]
    return f"no test pictures of {', '.join(untested)}: a test says nothing of it" if untested else ""


def _joined(*remarks: str) -> str:
    return "; ".join(remark for remark in remarks if remark)


def _classes(folder: Path) -> list[str]:
    classes = [path.name for path in _class_folders(folder)]
    if len(classes) < 2:
        found = "only one class folder" if classes else "no class folders"
        raise FileNotFoundError(f"data.root={folder}: has {found}; at least 2 are accepted")
    return classes


def _class_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


def _decoded(root: Path, folder: Path, classes: Sequence[str], image_size: int, num_channels: int) -> Decoded:
    """Return the pictures in the class folders of `folder`, from the file in `root` where it is current."""
    # As strings: there may be millions, and a Path is several times as large.
    files = [(str(path), label) for label, name in enumerate(classes) for path in sorted(_pictures(folder / name))]
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures in its class folders; {', '.join(_SUFFIXES)} are read")
    name = file_name(f"{folder.name}-{image_size}px", num_channels, *_identities(folder, files))
    shape_CHW = (num_channels, image_size, image_size)
    labels = [label for _, label in files]
    paths = [path for path, _ in files]
    return load_or_decode(
        name, root, lambda: Decoding(classes, labels, shape_CHW, lambda: _blocks(paths, image_size, num_channels))
    )


def _blocks(paths: Sequence[str], image_size: int, num_channels: int) -> Iterator[np.ndarray]:
    """Yield the decoded pictures in arrays of about `BLOCK_BYTES`."""
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
