"""A quick end of a process of ours, whose last collections would take seconds after PyTorch and MLflow."""

import atexit
import functools
import gc
import sys


@functools.cache
def end_quickly() -> None:
    """Let Python skip, when it ends, what is alive then."""
    atexit.register(_keep)


def _keep() -> None:
    if "triton" not in sys.modules:  # of what is alive it would print page after page
        gc.freeze()
