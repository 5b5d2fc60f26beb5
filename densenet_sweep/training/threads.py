"""The number of threads that compute on a CPU."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


def keep_to_the_job(environment: Mapping[str, str]) -> None:
    """Use as many threads as the Slurm job has cores, unless the user sets the number (`OMP_NUM_THREADS`).

    A cluster that does not bind jobs to cores shows each job all cores of the node. Two jobs that take them all slow each
    other down by far more than a half.

    Args:
        environment: of this process.
    """
    cores = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE")
    if cores is not None and cores.isdigit() and "OMP_NUM_THREADS" not in environment:
        torch.set_num_threads(max(1, int(cores)))


@contextmanager
def restored() -> Iterator[None]:
    """Restore the number of threads after the context: other trainings of this process may need another."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
