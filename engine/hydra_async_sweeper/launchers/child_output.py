"""The output of child processes, passed on line by line, so that it appears above a table on the terminal."""

import subprocess
import sys
from threading import Thread
from typing import IO, Any

from rich.file_proxy import FileProxy

# A grandchild may hold a pipe open for as long as it likes.
_END_SECONDS = 1.0


def streams(*, is_early: bool = False) -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` that pipe the child's output to `Relay` while a table is shown.

    A child that starts early may see a table later, if standard output is a terminal.
    """
    is_shown = isinstance(sys.stdout, FileProxy) or (is_early and sys.stdout is not None and sys.stdout.isatty())
    return {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} if is_shown else {}


class Relay:
    """Passes on what a process prints, if it was started with `streams()`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        pairs = ((process.stdout, "stdout"), (process.stderr, "stderr"))
        self._threads = [Thread(target=_pass_on, args=pair, daemon=True) for pair in pairs if pair[0] is not None]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait until everything has been passed on; call it after the process has ended."""
        for thread in self._threads:
            thread.join(_END_SECONDS)


def _pass_on(pipe: IO[bytes], name: str) -> None:
    for line in pipe:
        text = line.decode(errors="replace")
        stream = getattr(sys, name)  # looked up for each line: the table replaces it and restores it
        stream.write(text if text.endswith("\n") else f"{text}\n")  # in one piece, or two threads' lines would mix
        stream.flush()
