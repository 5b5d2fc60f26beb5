"""How pictures are read, from the values of a config."""

import math
from collections.abc import Sequence

from densenet_sweep.data.picture import MODES, RESIZES, Reading, colour
from densenet_sweep.picture_size import sides


def as_reading(
    *,
    image_size: int | Sequence[int],
    num_channels: int,
    background: str | Sequence[int] = "white",
    resize: str = "crop",
    max_pixels: int | None = None,
    value_range: Sequence[float] | None = None,
) -> Reading:
    """Return how pictures are read.

    Raises:
        ValueError: a value that cannot be used, with its key.
    """
    if num_channels not in MODES:
        raise ValueError(f"data.num_channels={num_channels}: 1 (grey) or 3 (colour) is accepted for pictures")
    if resize not in RESIZES:
        raise ValueError(f"data.resize={resize}: one of {', '.join(RESIZES)} is accepted")
    try:
        behind = colour(background)
    except (ValueError, TypeError):
        raise ValueError(f"data.background={background}: a colour such as white, '#102030' or [16,32,48] is accepted") from None
    return Reading(*sides(image_size), num_channels, behind, resize, max_pixels, as_range(value_range))


def as_range(value_range: Sequence[float] | None) -> tuple[float, float] | None:
    """Return the values that are black and white.

    Raises:
        ValueError: they are no two rising numbers.
    """
    if value_range is None:
        return None
    try:
        low, high = (float(number) for number in value_range)
        rises = math.isfinite(low) and math.isfinite(high) and low < high
    except (ValueError, TypeError):
        rises = False
    if not rises:
        raise ValueError(f"data.value_range={value_range}: two numbers, the first below the second, are accepted")
    return low, high
