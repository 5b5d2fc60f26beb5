"""What a container or a job may use of its machine: processor cores and memory, by Linux's control groups (v1 and v2).

Elsewhere, and where the kernel's files cannot be read, nothing is limited.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")

# The groups of this process, a line each: number, controllers, path.
OF_THIS_PROCESS = Path("/proc/self/cgroup")


def num_cores() -> int:
    """Return how many cores this process may keep busy, at least 1: those it is bound to, or fewer in a container."""
    bound_to = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = core_share()
    return bound_to if share is None else max(1, min(bound_to, int(share)))


def core_share() -> float | None:
    """Return the processor time a second that the groups of this process allow, such as 1.5 cores; None without a limit."""
    shares = []
    for folder in _folders("cpu"):
        quota, period = (_text(folder / "cpu.max") or "max 0").split()[:2]
        if not quota.isdigit():
            quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            shares.append(int(quota) / int(period))
    return min(shares, default=None)


def memory_limit() -> int | None:
    """Return the bytes of memory that the groups of this process allow; None without a limit."""
    found = [_text(folder / name) for folder in _folders("memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return min((int(limit) for limit in found if limit.isdigit()), default=None)


def available_memory() -> int:
    """Return the bytes of memory that new processes may take: what the machine has left, or a container beside this process."""
    import psutil

    left, limit = int(psutil.virtual_memory().available), memory_limit()
    return left if limit is None else min(left, max(0, limit - int(psutil.Process().memory_info().rss)))


def _folders(controller: str) -> Iterator[Path]:
    """Yield the folder of each group that limits this process: its own and those around it, in v2 and of v1's `controller`.

    A container may see its own group as the root, with the path that the host has.
    """
    yield ROOT
    yield ROOT / controller
    with suppress(OSError, ValueError):
        for line in OF_THIS_PROCESS.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            for mounted in (ROOT / controllers, ROOT / controller) if controllers else (ROOT,):
                group = mounted / path.lstrip("/")
                yield from (group, *(around for around in group.parents if around.is_relative_to(mounted)))


def _text(path: Path) -> str:
    with suppress(OSError, ValueError):
        return path.read_text(encoding="ascii").strip()
    return ""
