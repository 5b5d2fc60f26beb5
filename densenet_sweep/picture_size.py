"""Height and width of pictures, as the config gives them, and how large a file may be."""

from collections.abc import Sequence

# Pixels of a picture, at most, unless `data.max_pixels` says otherwise: a larger one may be made to fill the memory.
MAX_PIXELS = 200_000_000


def sides(image_size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) in pixels; one number is both."""
    if isinstance(image_size, int):
        return image_size, image_size
    height, width = image_size
    return height, width


def scaled(image_size: int | Sequence[int], scale: float) -> tuple[int, int]:
    """Return (height, width) of the image at this share of its sides, in whole pixels, at least one."""
    height, width = sides(image_size)
    return max(1, round(scale * height)), max(1, round(scale * width))
