"""A number with its noun, for sentences and titles.

The core packages may not import the engine, which has the same function for its own sentences.
"""


def counted(number: int, noun: str) -> str:
    """Return `number` with `noun`, in the plural unless it is 1: "1 class", "1,200 classes"."""
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith(("ss", "x", "sh", "tch")) else f"{noun}s"
