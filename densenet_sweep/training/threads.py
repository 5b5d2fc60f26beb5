"""How many threads compute on a CPU."""

from collections.abc import Mapping

import torch


def keep_to_the_job(environment: Mapping[str, str]) -> None:
    """Use as many threads as the Slurm job has cores, where the user has not said how many (`OMP_NUM_THREADS`).

    A cluster that does not bind jobs to their cores shows each of them all cores of the node. Two that take them all slow one
    another down by far more than a half.

    Args:
        environment: of this process.
    """
    cores = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE")
    if cores is not None and cores.isdigit() and "OMP_NUM_THREADS" not in environment:
        torch.set_num_threads(max(1, int(cores)))
