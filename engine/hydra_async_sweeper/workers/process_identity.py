"""Whether a process of this machine is still the one that it was."""

import psutil


def process_start(pid: int) -> float | None:
    """Return when process `pid` began, or None where there is none: a number given anew to another has another time."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time(), 1)
    except psutil.NoSuchProcess:
        return None
