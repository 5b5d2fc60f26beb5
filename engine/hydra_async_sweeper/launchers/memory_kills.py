"""How many processes the system has killed because memory ran out, of the whole machine or of a container."""

from contextlib import suppress
from pathlib import Path

# Linux counts both here; a container sees the machine's count.
OF_THE_SYSTEM = Path("/proc/vmstat")


def count() -> int:
    """Return the number since the system started; 0 where it does not tell."""
    with suppress(OSError):
        for line in OF_THE_SYSTEM.read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0
