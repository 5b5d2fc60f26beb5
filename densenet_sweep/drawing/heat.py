"""Heat maps over pictures, drawn with Pillow, which takes a hundredth of Matplotlib's time.

Shape suffixes: C channels, H height, W width.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from densenet_sweep.drawing import theme

# The share of colour where the heat is 1; where it is 0 the picture stays as it is.
_STRENGTH = 0.65

# Of a sheet of pictures, in pixels: the longer side of each at most, and what is between them.
_PICTURE = 128
_GAP = 10
_COLUMNS = 4


def picture(levels_CHW: np.ndarray, side: int) -> Image.Image:
    """Return uint8 levels of one or three channels as a picture in colours, whose longer side is at least `side` pixels.

    Small pictures are enlarged by a whole number, so that their pixels can be told apart.
    """
    levels_HWC = np.repeat(levels_CHW, 3, axis=0) if len(levels_CHW) == 1 else levels_CHW
    image = Image.fromarray(np.ascontiguousarray(levels_HWC.transpose(1, 2, 0)))
    factor = -(-side // max(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def overlay(levels_CHW: np.ndarray, heat_HW: np.ndarray, side: int) -> Image.Image:
    """Return the same picture under a heat map of floats in [0, 1]."""
    image = picture(levels_CHW, side)
    heat = Image.fromarray(np.round(np.clip(heat_HW, 0, 1) * 255).astype(np.uint8))
    levels_HW = np.asarray(heat.resize(image.size, Image.Resampling.BILINEAR))
    shares_HW1 = _STRENGTH * levels_HW[:, :, None] / 255
    mixed_HWC = (1 - shares_HW1) * np.asarray(image) + shares_HW1 * _colours()[levels_HW]
    return Image.fromarray(mixed_HWC.round().astype(np.uint8))


@functools.cache
def _colours() -> np.ndarray:
    """Return red, green and blue of 256 levels of heat."""
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.arange(256))[:, :3]) * 255


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture of a sheet: levels (uint8), heat in [0, 1] if there is some, and lines of text."""

    levels_CHW: np.ndarray
    heat_HW: np.ndarray | None
    lines: tuple[str, ...]


def draw_sheet(path: Path, cells: Sequence[Cell], *, title: str) -> None:
    """Draw the cells in rows, each picture beside itself under its heat map.

    Raises:
        OSError: the file cannot be written.
    """
    font, large = _font(12), _font(16)
    num_columns = min(_COLUMNS, max(1, len(cells)))
    width, height = 2 * _PICTURE + 3 * _GAP, _PICTURE + 16 * max((len(it.lines) for it in cells), default=0) + 2 * _GAP
    num_rows = -(-len(cells) // num_columns)
    sheet = Image.new("RGB", (num_columns * width + _GAP, num_rows * height + 40), "white")
    text = ImageDraw.Draw(sheet)
    text.text((2 * _GAP, 10), title, fill=theme.TEXT, font=large)
    for index, cell in enumerate(cells):
        left, top = _GAP + index % num_columns * width, 40 + index // num_columns * height
        shown = [picture(cell.levels_CHW, _PICTURE)]
        if cell.heat_HW is not None:
            shown.append(overlay(cell.levels_CHW, cell.heat_HW, _PICTURE))
        for number, image in enumerate(shown):
            image.thumbnail((_PICTURE, _PICTURE))
            sheet.paste(image, (left + _GAP + number * (_PICTURE + _GAP // 2), top))
        for number, line in enumerate(cell.lines):
            place = (left + _GAP, top + _PICTURE + 4 + 16 * number)
            text.text(place, _shortened(line, font), fill=theme.TEXT if number < 2 else theme.NOTE, font=font)
    sheet.save(path)


def _shortened(line: str, font: ImageFont.FreeTypeFont) -> str:
    """Return the end of a line that is too long: of paths that is the file's name."""
    most = 2 * _PICTURE + _GAP // 2
    if font.getlength(line) <= most:
        return line
    while line and font.getlength(f"…{line}") > most:
        line = line[max(1, len(line) // 20) :]
    return f"…{line}"


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
