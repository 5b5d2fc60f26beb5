"""How many bits each channel of a picture has in its file, where the reader of its format keeps others without a word."""

import re
import struct
from typing import Any

from PIL import ImageFile

from densenet_sweep.data import grey_values

# JPEG 2000: the start of the codestream, and the marker of its sizes.
_CODESTREAM = b"\xff\x4f\xff\x51"

# Pillow's decoders whose second argument is the largest level.
_WITH_LARGEST = ("ppm", "ppm_plain")


def check(picture: ImageFile.ImageFile, content: bytes) -> None:
    """Refuse what loses bits: Pillow (up to 13.0) keeps 8 of colour, SGI and AVIF, and the high ones may hold next to nothing.

    Args:
        picture: opened, before its pixels are read.
        content: of its file.

    Raises:
        ValueError: it has more than 8 bits in one of several channels, or in any channel of a format that keeps no more.
    """
    if picture.format == "SGI" and content[3:4] == b"\x02":
        raise ValueError("16 bits a channel; 8 are read in this format")
    if picture.format == "AVIF" and (bits := _of_avif(content)) > 8:
        raise ValueError(f"{bits} bits a channel; 8 are read in this format")
    bits = _bits(picture, content) if len(picture.getbands()) > 1 else 8
    if bits > 8:
        raise ValueError(f"{bits} bits a channel; 8 are read, or 16 in a grey picture without transparency")


def stretch(picture: ImageFile.ImageFile, content: bytes) -> float:
    """Return the factor by which Pillow stretches the grey values of a file that holds between 9 and 15 bits, to 16.

    Args:
        picture: opened, before its pixels are read.
        content: of its file.
    """
    if picture.format == "JPEG2000" and picture.mode == "I;16":
        return 2.0 ** (16 - _of_jpeg2000(content))
    if picture.format == "PPM" and picture.mode == "I":
        largest = [int(_arguments(tile)[1]) for tile in picture.tile if tile.codec_name in _WITH_LARGEST]
        return 65535 / largest[0] if largest else 1.0  # all 16 bits need no such decoder
    return 1.0


def _bits(picture: ImageFile.ImageFile, content: bytes) -> int:
    """Return the bits of the channel that has most, where that is known; else 8."""
    if picture.format == "JPEG2000":
        return _of_jpeg2000(content)
    found: list[int] = [8, *getattr(picture, "tag_v2", {}).get(grey_values.BITS, ())]
    for tile in picture.tile:
        arguments = _arguments(tile)
        if arguments and ";16" in str(arguments[0]):
            found.append(16)
        if tile.codec_name in _WITH_LARGEST:
            found.append(int(arguments[1]).bit_length())
    return max(found)


def _arguments(tile: "ImageFile._Tile") -> tuple[Any, ...]:
    """Return the arguments of a tile's decoder; a single one may stand by itself."""
    return tile.args if isinstance(tile.args, tuple) else (tile.args,)


def _of_avif(content: bytes) -> int:
    """Return the bits by the configurations of all coded images (AV1 in ISO media files, 2.3.3), or 8."""
    starts = [match.end() for match in re.finditer(rb"av1C\x81.", content, re.DOTALL)]
    flags = [content[start] for start in starts if start < len(content)]
    return max([8, *((12 if flag & 0x20 else 10) for flag in flags if flag & 0x40)])


def _of_jpeg2000(content: bytes) -> int:
    start = content.find(_CODESTREAM)
    if start < 0 or len(content) < start + 42:
        return 8
    number: int = struct.unpack_from(">H", content, start + 40)[0]
    return max((it & 0x7F) + 1 for it in content[start + 42 : start + 42 + 3 * number : 3])
