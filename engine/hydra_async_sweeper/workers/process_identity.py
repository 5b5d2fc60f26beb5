"""Whether a process is still the one that it was, seen from where its number means the same."""

import functools
import socket
from contextlib import suppress
from pathlib import Path

import psutil

# Of the namespace in which a kernel starts, which is no container's (linux/proc_ns.h: PROC_PID_INIT_INO).
_FIRST_NAMESPACE = "4026531836"


@functools.cache
def machine() -> str:
    """Return what tells apart the places that give out process numbers: host, installation, its present boot, namespace.

    Two containers may have one host name, two hosts never one boot id. What a system does not have is empty.
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
    """Return when process `pid` of this machine began, or None where there is none.

    A number given anew to another process has another time. It is counted from the boot where the system says so (in Linux's
    clock ticks), since psutil's time of day changes for a living process when somebody sets the clock.
    """
    with suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else float(fields[18])  # proc(5): fields 3 and 22
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time(), 1)
    except psutil.NoSuchProcess:
        return None


def is_gone(pid: int, start: float | None, where: str | None) -> bool:
    """Tell whether process `pid`, which began at `start` on the machine `where`, has certainly ended; False elsewhere."""
    if where == machine():
        return process_start(pid) != start
    return where is not None and _is_earlier_boot(where)


def _is_earlier_boot(where: str) -> bool:
    """Tell whether `where` is this machine before it was started anew; of a container nobody can say so."""
    try:
        (*host, boot, namespace), (*here, boot_here, namespace_here) = where.split("/"), machine().split("/")
    except ValueError:
        return False
    is_this_host = host == here and all(host) and namespace == namespace_here == _FIRST_NAMESPACE
    return is_this_host and "" not in (boot, boot_here) and boot != boot_here
