"""What Pillow (up to 13.0) lacks in reading grey values: kinds of numbers of TIFF and FITS, byte orders, libtiff's silence.

Remove a part when Pillow has it; the tests then still pass.
"""

import ctypes
import functools
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

# Of TIFF's tags.
PHOTOMETRIC, BITS, SAMPLE_FORMAT = 262, 258, 339
MIN_IS_WHITE = 0  # the photometric interpretation
_UNSIGNED, _SIGNED = (1,), (2,)

# By byte order, photometric interpretation, sample format, order of bits, bits, extra samples: mode and form of the pixels.
_KINDS = {
    (b"MM", 1, (1,), 1, (32,), ()): ("I", "I;32BS"),
    (b"MM", 0, (1,), 1, (16,), ()): ("I;16", "I;16B"),
    (b"II", 1, (3,), 1, (64,), ()): ("F", "F;64F"),
    (b"MM", 1, (3,), 1, (64,), ()): ("F", "F;64BF"),
}
for _kind, _form in _KINDS.items():
    TiffImagePlugin.OPEN_INFO.setdefault(_kind, _form)

# libtiff gives the numbers of a compressed file in the machine's order, and Pillow takes these forms for the file's.
_NATIVE = {
    "I;16S": "I;16NS", "I;16BS": "I;16NS",
    "I;32S": "I;32NS", "I;32BS": "I;32NS",
    "F;32F": "F;32NF", "F;32BF": "F;32NF",
    "F;64F": "F;64NF", "F;64BF": "F;64NF",
}  # fmt: skip

# By the BITPIX of FITS, whose numbers have the highest byte first: Pillow before 13 takes them in the machine's order.
_OF_FITS = {16: "I;16B", 32: "I;32B", -32: "F;32BF", -64: "F;64BF"}


def prepare(picture: ImageFile.ImageFile) -> None:
    """Have an opened picture loaded in the right byte order; call it before its pixels are read."""
    _silence()
    for place, tile in enumerate(picture.tile):
        if isinstance(tile.args, tuple):
            form, *rest = tile.args
            arguments = (_in_order(picture, tile.codec_name, tile.offset, form), *rest)
            picture.tile[place] = type(tile)(tile.codec_name, tile.extents, tile.offset, arguments)


def _in_order(picture: ImageFile.ImageFile, codec: str, offset: int, form: Any) -> Any:
    """Return the form of a tile's numbers, which Pillow calls `form`, in the order that they are in."""
    if codec == "libtiff":
        return _NATIVE.get(form, form)
    if picture.format == "FITS" and codec == "raw" and picture.fp is not None:
        picture.fp.seek(0)
        kinds = re.findall(rb"BITPIX *= *(-?\d+)", picture.fp.read(offset))
        return _OF_FITS.get(int(kinds[-1]), form) if kinds else form
    return form


def values(picture: Image.Image, tags: Mapping[int, Any], content: bytes) -> np.ndarray | None:
    """Return values_HW of a loaded picture in grey; None for levels of 8 bits. Pillow takes signed for unsigned and vice versa.

    Args:
        picture: of any format.
        tags: of TIFF, as they were when it was opened; none for other formats.
        content: of the file.
    """
    bits, form = tags.get(BITS), tags.get(SAMPLE_FORMAT, _UNSIGNED)
    if picture.mode == "L" and bits == (8,) and form == _SIGNED:
        return np.asarray(picture).view(np.int8)
    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return None
    values_HW = np.asarray(picture)
    if picture.format == "FITS":
        return _of_fits(values_HW, content)
    return values_HW.view(np.uint32) if picture.mode == "I" and bits == (32,) and form == _UNSIGNED else values_HW


def _of_fits(values_HW: np.ndarray, content: bytes) -> np.ndarray:
    """Return the physical values; FITS has no unsigned numbers of 16 bits, and keeps those as signed ones less 32768."""
    values_HW = values_HW.view(np.int16) if values_HW.dtype == np.uint16 else values_HW
    header = content.partition(b"END     ")[0]
    found = {key: float(value) for key, value in re.findall(rb"(BSCALE|BZERO) *= *([-+.\dE]+)", header)}
    return values_HW * found.get(b"BSCALE", 1.0) + found.get(b"BZERO", 0.0) if found else values_HW


@functools.cache
def _silence() -> None:
    """Keep libtiff from writing to the terminal what is an error of Pillow's, too, or says nothing of the pixels."""
    with suppress(OSError, AttributeError, IndexError):  # another system, or a Pillow without it
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        for path in {line.split(maxsplit=5)[5] for line in lines if "/libtiff" in line}:
            library = ctypes.CDLL(path)
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
