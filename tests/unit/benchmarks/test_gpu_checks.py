"""What must hold on a GPU, on one where there is one; on the CPU the checks themselves are rehearsed."""

import gpu_checks
import pytest
import torch


@pytest.mark.parametrize("name", gpu_checks.CHECKS)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_it_holds(device, name):
    gpu_checks.CHECKS[name](torch.device(device))
