"""Height and width of pictures, as the config gives them."""

from collections.abc import Sequence


def sides(image_size: int | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) in pixels; one number is both."""
    if isinstance(image_size, int):
        return image_size, image_size
    height, width = image_size
    return height, width
