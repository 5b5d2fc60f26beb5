"""Runs a command line within this process, as if it had been typed, except that errors are raised."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.core.global_hydra import GlobalHydra

from densenet_sweep.config import errors
from densenet_sweep.run import per_command

# Held while a command runs and its result is read: Hydra and `sys.argv` exist once in a process, whose threads take turns.
one_at_a_time = threading.RLock()


def run(arguments: Sequence[str]) -> None:
    """Run `densenet-sweep` with these arguments; images are read anew, as files or the working folder may have changed.

    Raises:
        ValueError: what the command would have printed, in one line.
        KeyboardInterrupt: interrupted; the same call continues a sweep.
    """
    from densenet_sweep.dispatch import dispatch

    with one_at_a_time, _as_typed(arguments):
        per_command.clear()
        try:
            dispatch(arguments)
        except Exception as error:
            raise ValueError(errors.one_line(error)) from error


@contextmanager
def _as_typed(arguments: Sequence[str]) -> Iterator[None]:
    """Hydra reads `sys.argv`, and exits after an error unless HYDRA_FULL_ERROR is set."""
    typed, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = ["densenet-sweep", *arguments], "1"
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        sys.argv = typed
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error
