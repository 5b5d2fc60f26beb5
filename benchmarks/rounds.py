"""How often both sides of a benchmark are measured in turn."""

import time
from collections.abc import Iterator


def rounds(most: int, minutes: float) -> Iterator[int]:
    """Yield 0, 1, ... below `most`, but none that would begin after so many `minutes`; one at least."""
    began = time.monotonic()
    for index in range(most):
        if index and time.monotonic() - began > 60 * minutes:
            return
        yield index
