"""The memory of tensors on a CPU: how the C library allocates it, and its peak."""

import contextlib
import ctypes
import functools
import re
import sys
from pathlib import Path

# glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4

# The "high-water mark" of the resident set, in KiB.
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)


@functools.cache
def keep_freed_memory() -> bool:
    """Keep the memory of freed tensors in this process for the next ones; return whether the C library can.

    By default glibc maps every large block anew and unmaps it when freed, so each training step faults in all of its pages
    again. Without that, the same net trains 1.4 to 1.6 times faster (`benchmarks/LOG.md`), but the process holds on to its
    peak. Only glibc has the setting; elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def reset_peak() -> bool:
    """Reset the peak of this process's memory to what it uses now; return whether the system can (only Linux).

    Freed memory is returned to the system first, including what `keep_freed_memory` kept: it belonged to an earlier training.
    """
    try:
        with Path("/proc/self/clear_refs").open("wb", buffering=0) as marks:
            with contextlib.suppress(OSError, AttributeError):  # musl
                ctypes.CDLL("libc.so.6").malloc_trim(0)
            marks.write(b"5")  # proc(5)
    except OSError:
        return False
    return _PEAK.search(_status()) is not None


def peak_bytes() -> int:
    """Return the peak of this process's memory since `reset_peak`, which must have succeeded."""
    found = _PEAK.search(_status())
    assert found is not None, "reset_peak said so"
    return 1024 * int(found[1])


def _status() -> str:
    return Path("/proc/self/status").read_text(encoding="utf-8")
