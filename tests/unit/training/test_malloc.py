import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from densenet_sweep.training.malloc import peak_bytes, reset_peak

SCRIPT = """
import resource, torch
from densenet_sweep.training.malloc import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def use():
    return torch.ones(16, 1024, 1024)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
# The least of many: the heap has to find its shape first, and a kernel that is short of memory takes pages that lie idle.
print(min(faults() for _ in range(30)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_memory_that_was_freed_is_not_faulted_in_again():
    def faults(*, keep: bool) -> int:
        script = SCRIPT.format(keep=keep)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=True)
        return int(done.stdout)

    assert 10 * faults(keep=True) < faults(keep=False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the marks")
def test_the_peak_is_of_what_came_after_it_was_reset():
    num_bytes = 2**28
    assert reset_peak()
    before = peak_bytes()
    large = torch.ones(num_bytes, dtype=torch.uint8)
    with_large = peak_bytes()
    assert with_large > before + 0.9 * num_bytes
    del large
    assert peak_bytes() > before + 0.9 * num_bytes
    assert reset_peak()
    assert peak_bytes() < with_large - 0.9 * num_bytes


def test_a_system_without_the_marks_is_said(monkeypatch):
    monkeypatch.setattr("densenet_sweep.training.malloc.Path", lambda name: Path(f"/nonexistent{name}"))
    assert not reset_peak()
