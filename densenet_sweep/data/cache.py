"""Decoded data sets in files that all processes of a machine map, so that they share one copy of the pixels in memory.

A file holds what `numpy.load(path, mmap_mode="r")` reads, uint8 of NCHW, followed by JSON: the labels, the class names and a
CRC-32 of everything. It is written atomically and never changed, so a mapping stays valid; opening it detects damage on disk,
at 1 to 3 GB/s. It lies in a hidden folder of the data root or, where that cannot be written, in the user's cache folder.
"""

import errno
import hashlib
import io
import json
import math
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from densenet_sweep.checksum import crc32
from densenet_sweep.data.images import Images, as_tensor

FOLDER = ".densenet_sweep"
# In that folder, what has been decoded of data sets whose decoding was interrupted.
PARTS = "parts"

# A file unused for this long is deleted when another is written: each change of the pictures leaves one behind.
_KEPT_DAYS = 30


@dataclass(frozen=True, eq=False)
class Decoding:
    """A data set to be decoded.

    Attributes:
        class_names: by label.
        labels: of the images.
        shape_CHW: of an image.
        blocks: yields the images in order as arrays of BCHW, from the first one at each call; raises no OSError.
        about: what else is kept, in JSON's types.
        name: of the file, where `load_or_decode` was given several.
        kept: is called when the images are in a file.
    """

    class_names: Sequence[str]
    labels: Sequence[int] | Sequence[Sequence[int]]
    shape_CHW: tuple[int, ...]
    blocks: Callable[[], Iterable[np.ndarray]]
    about: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    kept: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, class_names: Sequence[str], images: Images) -> "Decoding":
        """Return a decoding of images that are decoded already."""
        arrays = [images.images_NCHW.numpy()]
        return cls(class_names, images.labels_N.tolist(), images.shape[1:], lambda: arrays)

    @property
    def shape_NCHW(self) -> tuple[int, ...]:
        """The shape of all images."""
        return (len(self.labels), *self.shape_CHW)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A data set, a remark for the user on where it is kept, and what else its decoding has found."""

    class_names: tuple[str, ...]
    images: Images
    remark: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


def file_name(stem: str, *described: object) -> str:
    """Return a name that begins with `stem` and is different whenever the repr of `described` is."""
    content = hashlib.sha256()
    for part in described:
        content.update(repr(part).encode() + b"\0")
    return f"{stem}-{content.hexdigest()[:16]}.npy"


def load_or_decode(name: str | Sequence[str], root: Path, decode: Callable[[], Decoding]) -> Decoded:
    """Return the data set kept under `name`, or under the first of several; decode and keep it now if it is missing or damaged.

    If several processes call this at once, one decodes and the others wait. Where no file can be written, this process holds
    the images in its memory and the remark says why; the remark also reports a damaged file.

    Raises:
        OSError: the images fit neither into a file nor into memory; or `decode` raised it.
        ValueError: `decode` raised it.
    """
    folders = _folders(root)
    names = [name] if isinstance(name, str) else list(name)
    damaged = []
    for path in (folder / it for folder in folders for it in names):
        if found := _read(path):
            return found
        if path.exists():
            damaged.append(f"{path}: was damaged, and is decoded anew")
    decoding, reasons = None, []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("ab")
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
            continue
        with lock, _alone(folder, lock.fileno()):
            for it in names:
                if found := _read(folder / it):
                    return found
            decoding = decoding or decode()
            path = folder / (decoding.name or names[0])
            try:
                _write(path, decoding)
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror}")
                continue
            if found := _read(path):
                decoding.kept()
                return replace(found, remark="; ".join(damaged))
            reasons.append(f"{folder}: what was written cannot be read")
    return _in_memory(decoding or decode(), "; ".join([*damaged, *reasons]))


def parts_folder(root: Path) -> Path | None:
    """Return a folder for parts of a data set that is being decoded; None where nothing can be written."""
    for folder in _folders(root):
        with suppress(OSError):
            (folder / PARTS).mkdir(parents=True, exist_ok=True)
            return folder / PARTS
    return None


def _folders(root: Path) -> list[Path]:
    """Return where files may be kept, the best place first."""
    folders = [root / FOLDER] if root.is_dir() else []
    with suppress(RuntimeError):  # no home
        folders.append(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "densenet-sweep")
    return folders


@contextmanager
def _alone(folder: Path, lock: int) -> Iterator[None]:
    """Lock `folder` against other writers, and clean it up.

    On a file system without locks several processes may write, each into a file of its own.
    """
    import fcntl  # Linux and macOS have it; the command refuses Windows

    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)  # released with the open file, however the process ends
        for left_by_a_dead_process in folder.glob("*.partial"):
            left_by_a_dead_process.unlink()
        for unused in (*folder.glob("*.npy"), *folder.glob(f"{PARTS}/*")):
            if unused.stat().st_mtime < time.time() - _KEPT_DAYS * 24 * 3600:
                unused.unlink()  # existing mappings stay valid
    yield


def _read(path: Path) -> Decoded | None:
    """Return what `_write` kept; None where there is no file, or it has been truncated or damaged since."""
    try:
        array_NCHW = np.lib.format.open_memmap(path, mode="r")
        with path.open("rb") as file:  # through the mapping, all of it would count as this process's memory
            checksum = crc32(file, array_NCHW.offset + array_NCHW.nbytes)
            about = json.loads(file.read())
        class_names, labels, more = about["class_names"], about["labels"], about.get("about", {})
        # An older version wrote none.
        if about.get("crc32") not in (None, zlib.crc32(_as_bytes(class_names, labels, more), checksum)):
            return None
        labels_N = torch.tensor(labels, dtype=torch.int64)
        with suppress(OSError):  # another user's
            os.utime(path)
        return Decoded(tuple(class_names), Images(as_tensor(array_NCHW), labels_N), about=more)
    except Exception:  # NumPy parses the header as Python, and a damaged one can raise anything
        return None


def _as_bytes(class_names: Sequence[str], labels: Sequence[Any], about: Mapping[str, Any]) -> bytes:
    return json.dumps([list(class_names), list(labels), *([about] if about else [])]).encode()


def _write(path: Path, decoding: Decoding) -> None:
    """Write the file whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    if shutil.disk_usage(path.parent).free < math.prod(decoding.shape_NCHW):  # others need what is left on the disk
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": decoding.shape_NCHW})
            file.write(header.getvalue())
            checksum = zlib.crc32(header.getvalue())
            for block_BCHW in decoding.blocks():
                pixels = np.ascontiguousarray(block_BCHW).data
                file.write(pixels)
                checksum = zlib.crc32(pixels, checksum)
            checksum = zlib.crc32(_as_bytes(decoding.class_names, decoding.labels, decoding.about), checksum)
            about = {"class_names": list(decoding.class_names), "labels": list(decoding.labels), "crc32": checksum}
            about |= {"about": decoding.about} if decoding.about else {}
            file.write(json.dumps(about).encode())
            file.flush()
            os.fsync(file.fileno())  # or after a power failure the name could exist without the pixels
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _in_memory(decoding: Decoding, reason: str) -> Decoded:
    num_bytes = math.prod(decoding.shape_NCHW)
    size = f"{num_bytes / 2**20:,.0f} MiB"
    if num_bytes > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise OSError(f"the decoded images ({size}) fit neither into memory nor into a file ({reason})")
    images_NCHW = np.empty(decoding.shape_NCHW, np.uint8)
    start = 0
    for block_BCHW in decoding.blocks():
        images_NCHW[start : start + len(block_BCHW)] = block_BCHW
        start += len(block_BCHW)
    images = Images(torch.from_numpy(images_NCHW), torch.tensor(decoding.labels, dtype=torch.int64))
    remark = f"the decoded images ({size}) are held in the memory of each process, as no file can be written ({reason})"
    return Decoded(tuple(decoding.class_names), images, remark, decoding.about)
