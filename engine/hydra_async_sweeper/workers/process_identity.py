"""Whether a process number still refers to the same process, checked on the machine that issued it."""

import functools
import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil

# The kernel's initial PID namespace, which is no container's (linux/proc_ns.h: PROC_PID_INIT_INO).
_FIRST_NAMESPACE = "4026531836"


@functools.cache
def machine() -> str:
    """Return what identifies a source of process numbers: host, installation, its present boot, namespace.

    Two containers may share a host name, two hosts never share a boot id. Parts that a system lacks are empty.
    """
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink()).removeprefix("pid:").strip("[]")
    parts = (socket.gethostname(), _line("/etc/machine-id"), _line("/proc/sys/kernel/random/boot_id"), namespace)
    return "/".join(parts)


def _line(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text().strip()
    return ""


def process_start(pid: int) -> float | None:
    """Return when process `pid` of this machine began, or None if it is not running.

    A reused number has another start time. On Linux it is counted in clock ticks since boot, because psutil's time of day
    changes for a running process when the clock is set. None, too, where the system does not tell.
    """
    try:
        return _start(pid)
    except psutil.AccessDenied:
        return None


def _start(pid: int) -> float | None:
    """Return when `pid` began, or None if it has ended; raise `AccessDenied` where the system hides it, as Linux's hidepid."""
    with suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else float(fields[18])  # proc(5): fields 3 and 22
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time(), 1)
    except psutil.NoSuchProcess:
        if _exists(pid):
            raise psutil.AccessDenied(pid) from None
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_gone(pid: int, start: float | None, where: str | None) -> bool:
    """Return whether process `pid`, which began at `start` on the machine `where`, has certainly ended; False if unknown."""
    if where == machine():
        try:
            return _start(pid) != start
        except psutil.AccessDenied:
            return False
    return where is not None and _is_earlier_boot(where)


def _is_earlier_boot(where: str) -> bool:
    """Return whether `where` is this machine before a reboot; False for containers, where this is unknown."""
    try:
        (*host, boot, namespace), (*here, boot_here, namespace_here) = where.split("/"), machine().split("/")
    except ValueError:
        return False
    is_this_host = host == here and all(host) and namespace == namespace_here == _FIRST_NAMESPACE
    return is_this_host and "" not in (boot, boot_here) and boot != boot_here
