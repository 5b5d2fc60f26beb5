"""How often the sides of a benchmark are measured in turn."""

import sys
import time
from collections.abc import Iterator


def rounds(most: int, minutes: float) -> Iterator[int]:
    """Yield 0, 1, ... below `most`: at least one, and only those expected to end within `minutes`. Counts on stderr."""
    began = time.monotonic()
    longest = 0.0
    for index in range(most):
        start = time.monotonic()
        if index and start + longest > began + 60 * minutes:
            return
        print(f"round {index + 1} of {most} ...", file=sys.stderr, flush=True)
        yield index
        longest = max(longest, time.monotonic() - start)
