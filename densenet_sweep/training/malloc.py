"""How the C library hands out the memory of tensors on a CPU."""

import ctypes
import functools
import sys

# glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones; tell whether the C library can.

    By default glibc maps every large block anew and unmaps it when it is freed, so each training step begins by faulting in
    all of its pages again. Kept, the same net trains 1.4 to 1.6 times faster (`benchmarks/LOG.md`). The price is that a
    process holds on to its peak. Only glibc has the setting; elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
