"""One picture, from the content of its file to uint8 levels; imports no torch.

Knows neither data sets nor caches. Training and prediction read pictures by this code alone.

8-bit pictures are levels already. Grey pictures of 16 or 32 bits, of floating-point numbers and of medical scanners hold
values, which a range maps to levels: one range for all pictures of a data set, or their brightness would no longer compare.
Shape suffixes: C channels, H height, W width.
"""

import hashlib
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath

import numpy as np
from PIL import Image, ImageColor, ImageFile, ImageOps

from densenet_sweep.data import depth, grey_values

MODES = {1: "L", 3: "RGB"}
RESIZES = ("crop", "pad", "stretch")

# Pillow recognises these formats but cannot read their pixels.
_STUBS = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF")
_DICOM_SUFFIXES = (".dcm", ".dicom")

# The beginnings of GIF and TIFF.
_SEVERAL = (b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class RangeNeededError(ValueError):
    """A picture holds values, and neither it nor the config says which of them are black and white."""


@dataclass(frozen=True)
class Reading:
    """How pictures are read.

    Attributes:
        height: of the result in pixels.
        width: of the result in pixels.
        num_channels: 1 (grey) or 3 (colour).
        background: red, green and blue of what lies behind transparent pixels and beside padded pictures.
        resize: `crop` cuts the middle out, `pad` adds background, `stretch` changes proportions.
        max_pixels: of a picture as it is in its file; None: no limit.
        value_range: the values that are black and white in pictures that hold values; None: to be found out.
    """

    height: int
    width: int
    num_channels: int
    background: tuple[int, int, int] = (255, 255, 255)
    resize: str = "crop"
    max_pixels: int | None = None
    value_range: tuple[float, float] | None = None

    @property
    def shape_CHW(self) -> tuple[int, int, int]:
        """The shape of a picture's levels."""
        return self.num_channels, self.height, self.width


@dataclass(frozen=True, eq=False)
class Values:
    """A grey picture of values, resized: float32, NaN where there is background.

    Attributes:
        values_HW: of the result.
        lowest: value of the whole picture as it is in its file.
        highest: value of the same.
        inverted: the lowest value is white.
    """

    values_HW: np.ndarray
    lowest: float
    highest: float
    inverted: bool = False

    def levels_CHW(self, value_range: tuple[float, float], how: Reading) -> np.ndarray:
        """Return uint8 levels: `value_range` is black and white, values outside of it are the nearer one."""
        low, high = value_range
        shares_HW = np.clip((self.values_HW - low) / (high - low), 0, 1) if high > low else self.values_HW * 0
        shares_HW = 1 - shares_HW if self.inverted else shares_HW
        behind = grey(how.background)
        levels_HW = np.where(np.isnan(shares_HW), behind, np.nan_to_num(shares_HW) * 255).round().astype(np.uint8)
        return np.repeat(levels_HW[None], how.num_channels, axis=0)


def colour(name: str | Sequence[int]) -> tuple[int, int, int]:
    """Return red, green and blue of a name such as `white`, of `#ffffff`, or of three numbers.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(name, str):
        red, green, blue = ImageColor.getrgb(name)[:3]
        return red, green, blue
    numbers = [number for number in name if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 255]
    if len(numbers) != 3 or len(name) != 3:
        raise ValueError("not three numbers of 0 to 255")
    return numbers[0], numbers[1], numbers[2]


def grey(background: tuple[int, int, int]) -> int:
    """Return the level of a colour in a grey picture."""
    return Image.new("RGB", (1, 1), background).convert("L").tobytes()[0]


def suffixes() -> frozenset[str]:
    """Return the suffixes, in small letters, of the files that can be read."""
    Image.init()
    of_pillow = (suffix for suffix, form in Image.registered_extensions().items() if form in Image.OPEN and form not in _STUBS)
    return frozenset((*of_pillow, *_DICOM_SUFFIXES))


def content_of(path: str) -> bytes:
    """Return the content of a picture's file.

    Raises:
        OSError: it cannot be read, or is no file: reading a pipe or a device may not end.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("is no file")
    return Path(path).read_bytes()


def content_hash(content: bytes) -> int:
    """Return a number of 64 bits by which equal files are found."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


@contextmanager
def quietly() -> Iterator[None]:
    """Replace Pillow's own limit, and its warnings, by ours while pictures are read; for all threads of the process."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.|pydicom\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def decode(name: str, content: bytes, how: Reading) -> np.ndarray | Values:
    """Return the levels (uint8 of CHW) of a picture that has them, or its values. Call it within `quietly`.

    Args:
        name: of the file; its suffix says whether it is DICOM.
        content: of the file.
        how: it is read.

    Raises:
        RangeNeededError: floating-point numbers, and `how` has no range.
        ValueError: it is no picture, a damaged one, or too large; the message says no name.
    """
    try:
        if PurePath(name).suffix.lower() in _DICOM_SUFFIXES:
            from densenet_sweep.data import dicom

            return _of_scanner(dicom.read(content, how.value_range, how.max_pixels), how)
        with Image.open(BytesIO(content)) as picture:
            return _of_pillow(picture, content, how)
    except RangeNeededError:
        raise
    except (
        Exception
    ) as error:  # a decoder may raise anything for a damaged file: that of AVIF RuntimeError, of ICNS AssertionError
        raise ValueError(_reason(error)) from None


def has_more(name: str, content: bytes) -> bool:
    """Return whether a file that can be read has further pages or frames; only the first is read.

    Those of a phone's JPEG are previews, and do not count.
    """
    try:
        if PurePath(name).suffix.lower() in _DICOM_SUFFIXES:
            from densenet_sweep.data import dicom

            return dicom.num_frames(content) > 1
        if content.startswith(_SEVERAL) or b"WEBP" in content[:16] or b"acTL" in content[:256] or b"avis" in content[:16]:
            with Image.open(BytesIO(content)) as picture:
                return bool(getattr(picture, "is_animated", False))
    except Exception:  # what is damaged behind the first one says nothing of it
        return False
    return False


def levels_of(path: str, content: bytes, how: Reading, found_range: tuple[float, float] | None = None) -> np.ndarray:
    """Return the levels (uint8 of CHW) of a picture's file with this content. Call it within `quietly`.

    Args:
        path: of the file.
        content: of the file.
        how: it is read.
        found_range: the values that are black and white where `how` does not say it: those of the training pictures.

    Raises:
        ValueError: it cannot be decoded, or holds values and nothing says which are black and white.
    """
    needed = "holds values instead of 8-bit levels; the training pictures held none, so nothing says which are black and white"
    value_range = how.value_range or found_range
    try:
        found = decode(path, content, how)
    except RangeNeededError:
        if found_range is not None:
            needed = (
                "holds floating-point values, and the training pictures held none, so nothing says which are black and white"
            )
        raise ValueError(f"{path}: {needed}") from None
    except ValueError as error:
        raise ValueError(f"{path}: cannot be decoded as a picture ({error})") from None
    if not isinstance(found, Values):
        return found
    if value_range is None:
        raise ValueError(f"{path}: {needed}")
    return found.levels_CHW(value_range, how)


def check_size(width: int, height: int, max_pixels: int | None) -> None:
    """Refuse a picture that is too large.

    Raises:
        ValueError: it has more pixels than `max_pixels`.
    """
    if max_pixels is not None and width * height > max_pixels:
        raise ValueError(f"has {width * height:,} pixels; at most data.max_pixels={max_pixels} are accepted")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "no format that can be read" if text.startswith("cannot identify image file") else text


def _of_pillow(picture: ImageFile.ImageFile, content: bytes, how: Reading) -> np.ndarray | Values:
    check_size(*picture.size, how.max_pixels)
    depth.check(picture, content)
    stretch = depth.stretch(picture, content)
    grey_values.prepare(picture)
    picture.load()
    tags = getattr(picture, "tag_v2", {})
    with suppress(Exception):  # what is damaged beside the pixels says nothing of them
        ImageOps.exif_transpose(picture, in_place=True)
    values_HW = grey_values.values(picture, tags, content)
    if values_HW is None:
        return _levels_CHW(picture.convert("RGB") if picture.mode == "LAB" else picture, how)
    if stretch != 1:
        values_HW = (values_HW / stretch).round()
    if picture.mode == "F":
        if how.value_range is None:
            raise RangeNeededError
        values_HW = np.where(np.isnan(values_HW), how.value_range[0], values_HW)
    hidden_HW = None
    if "transparency" in picture.info:  # PNG's one value that cannot be seen
        hidden_HW = values_HW == picture.info["transparency"]
    return _values(values_HW, how, inverted=tags.get(grey_values.PHOTOMETRIC) == grey_values.MIN_IS_WHITE, hidden_HW=hidden_HW)


def _of_scanner(scan: "np.ndarray | tuple[np.ndarray, bool]", how: Reading) -> np.ndarray | Values:
    if isinstance(scan, tuple):
        return _values(scan[0], how, inverted=scan[1])
    return _levels_CHW(Image.fromarray(scan), how)


def _levels_CHW(picture: Image.Image, how: Reading) -> np.ndarray:
    mode = MODES[how.num_channels]
    if picture.has_transparency_data:
        visible = Image.new("RGBA", picture.size, (*how.background, 255))
        visible.alpha_composite((picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA"))
        picture = visible.convert("RGB")
    fitted, left, top = _fitted(picture.convert(mode), how)
    if fitted.size != (how.width, how.height):
        behind = how.background if how.num_channels == 3 else grey(how.background)
        whole = Image.new(mode, (how.width, how.height), behind)
        whole.paste(fitted, (left, top))
        fitted = whole
    levels = np.asarray(fitted)
    return levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)


def _values(values_HW: np.ndarray, how: Reading, *, inverted: bool = False, hidden_HW: np.ndarray | None = None) -> Values:
    values_HW = values_HW.astype(np.float32)
    seen = values_HW if hidden_HW is None or hidden_HW.all() else values_HW[~hidden_HW]
    lowest, highest = float(seen.min()), float(seen.max())
    if hidden_HW is None:
        fitted, left, top = _fitted(Image.fromarray(values_HW), how)
        fitted_HW = np.asarray(fitted)
    else:  # a hidden value takes no part in the mean of its neighbours
        shown_HW = (~hidden_HW).astype(np.float32)
        weight, left, top = _fitted(Image.fromarray(shown_HW), how)
        weighted, _, _ = _fitted(Image.fromarray(np.where(hidden_HW, 0, values_HW).astype(np.float32)), how)
        weight_HW = np.asarray(weight)
        fitted_HW = np.where(weight_HW >= 0.5, np.asarray(weighted) / np.maximum(weight_HW, 0.5), np.nan)
    if fitted_HW.shape != (how.height, how.width):
        whole_HW = np.full((how.height, how.width), np.nan, np.float32)
        whole_HW[top : top + fitted_HW.shape[0], left : left + fitted_HW.shape[1]] = fitted_HW
        fitted_HW = whole_HW
    return Values(fitted_HW.astype(np.float32), lowest, highest, inverted)


def _fitted(picture: Image.Image, how: Reading) -> tuple[Image.Image, int, int]:
    """Return the resized picture, and its place (left, top) in the result; `pad` leaves it smaller than that."""
    width, height = picture.size
    wanted = (how.width, how.height)
    left = top = 0
    if how.resize == "crop":
        scale = min(width / how.width, height / how.height)
        # At least a row or a column of a very narrow picture.
        cut_width, cut_height = (
            min(side, max(1, round(wanted_side * scale))) for side, wanted_side in zip(picture.size, wanted, strict=True)
        )
        x, y = round((width - cut_width) / 2), round((height - cut_height) / 2)
        picture = picture.crop((x, y, x + cut_width, y + cut_height))
    elif how.resize == "pad":
        scale = min(how.width / width, how.height / height)
        wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (how.width - wanted[0]) // 2, (how.height - wanted[1]) // 2
    if picture.size != wanted:
        picture = picture.resize(wanted, Image.Resampling.BILINEAR)
    return picture, left, top
