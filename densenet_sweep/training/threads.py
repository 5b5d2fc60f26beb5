"""The number of threads that compute on a CPU."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


def keep_to_the_job(environment: Mapping[str, str], core_share: float | None = None) -> None:
    """Use as many threads as the Slurm job or the container has cores, unless the user sets the number (`OMP_NUM_THREADS`).

    A cluster that does not bind jobs to cores shows each job all cores of the node, and so does a container that may use a
    share of their time. Two jobs that take them all slow each other down by far more than a half.

    Args:
        environment: of this process.
        core_share: seconds of processor time a second that the system allows, rounded down to threads; None without a limit.
    """
    if "OMP_NUM_THREADS" in environment:
        return
    cores = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE")
    if cores is not None and cores.isdigit():
        torch.set_num_threads(max(1, int(cores)))
    if core_share is not None and core_share < torch.get_num_threads():
        torch.set_num_threads(max(1, int(core_share)))


@contextmanager
def restored() -> Iterator[None]:
    """Restore the number of threads after the context: other trainings of this process may need another."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
