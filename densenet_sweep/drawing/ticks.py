"""Round numbers for axes, and texts and numbers as a browser takes them."""

import html
import math

_SHORT_WAY = 300.0


def is_number(text: str) -> bool:
    """Return whether a text is a plain number."""
    return text.replace(".", "", 1).replace("-", "", 1).isdigit()


def round_step(step: float) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * (1 - 1e-9))


def decimals(step: float) -> str:
    """Return the number format that resolves `step`."""
    return f".{max(0, -math.floor(math.log10(step) + 1e-9))}f"


def round_places(low: float, high: float) -> list[float]:
    """Return the powers of ten between `low` and `high`, for a short range also 2 and 5 times them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = [float(f"{digit}e{power}") for power in powers for digit in ((1, 2, 5) if high / low < _SHORT_WAY else (1,))]
    return [place for place in places if low <= place <= high]


def number(value: float) -> float:
    """Return `value` rounded to six digits, enough for a screen."""
    return float(f"{value:.6g}")


def text_of(text: str) -> str:
    """Return `text` without markup: plotly.js interprets a few HTML tags."""
    return html.escape(text, quote=False)
