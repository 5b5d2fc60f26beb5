"""Another package's search behind a pipe: calls arrive as lines of JSON, answers leave likewise.

Runs in that package's own environment, so it imports the standard library alone. `search/peer.py` is the other end.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Protocol


class Search(Protocol):
    """A package's own scheduler and searcher, driven call by call."""

    def suggest(self) -> tuple[int, dict[str, Any]]:
        """Return the trial that a free worker takes, and its configuration: a new trial's, or a paused one's that continues."""

    def report(self, trial: int, step: int, value: float) -> str:
        """Return "continue", "pause" or "stop"; a trial that reports its last step ends whatever this returns."""


def serve(begin: Callable[[str, dict[str, Any], int, int], Search]) -> None:
    """Answer until the input ends.

    Args:
        begin: from a method's name, the space (a parameter's low, high, log and whole), the steps of a training and a seed.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the package prints is no answer
    search: Search | None = None
    for line in sys.stdin:
        call, *arguments = json.loads(line)
        if call == "begin":
            search, answer = begin(*arguments), None
        else:
            answer = getattr(search, call)(*arguments)
        print(json.dumps(answer, default=lambda number: number.item()), file=answers, flush=True)
