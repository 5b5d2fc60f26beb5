from collections.abc import Iterator

import pytest
import torch

from densenet_sweep.training.threads import keep_to_the_job, restored


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(7)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("environment", "num_threads"),
    [
        ({}, 7),
        ({"SLURM_CPUS_ON_NODE": "3"}, 3),
        ({"SLURM_CPUS_ON_NODE": "3", "SLURM_CPUS_PER_TASK": "2"}, 2),
        ({"SLURM_CPUS_ON_NODE": "3", "OMP_NUM_THREADS": "5"}, 7),
        ({"SLURM_CPUS_ON_NODE": "3(x2)"}, 7),
    ],
)
def test_a_slurm_job_keeps_to_its_cores(environment, num_threads):
    keep_to_the_job(environment)
    assert torch.get_num_threads() == num_threads


@pytest.mark.parametrize(
    ("environment", "share", "num_threads"),
    [({}, 1.5, 1), ({}, 0.5, 1), ({}, 64.0, 7), ({"SLURM_CPUS_ON_NODE": "3"}, 2.5, 2), ({"OMP_NUM_THREADS": "5"}, 1.5, 7)],
)
def test_a_container_keeps_to_its_share_of_the_cores(environment, share, num_threads):
    keep_to_the_job(environment, share)
    assert torch.get_num_threads() == num_threads


def test_the_next_training_computes_with_the_threads_of_the_process():
    with restored():
        torch.set_num_threads(2)
    assert torch.get_num_threads() == 7
