"""How long the threads of a process spin while they wait for each other.

GNU's OpenMP, which PyTorch's packages for Linux contain, has a thread spin 300,000 times before it sleeps
(https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html). Where other work on the machine has taken the core of another
thread, that is milliseconds in each of a training's many thousand operations. Where the cores are free, the wait is shorter.
"""

from collections.abc import Mapping

# About ten microseconds. `benchmarks/beside_other_work.py` measures what it gains and costs.
_SPINS = "1000"


def short_spins(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to a process's `environment` before it loads OpenMP; nothing where that already says how to wait."""
    return {} if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & environment.keys() else {"GOMP_SPINCOUNT": _SPINS}
