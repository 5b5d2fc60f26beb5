import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, torch
from densenet_sweep.training.malloc import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def use():
    return torch.ones(16, 1024, 1024)
for _ in range(8):
    use()  # until the heap has found its shape
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_memory_that_was_freed_is_not_faulted_in_again():
    def faults(*, keep: bool) -> int:
        script = SCRIPT.format(keep=keep)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=True)
        return int(done.stdout)

    assert faults(keep=False) > 5_000
    # A kernel that is short of memory, or reclaims what lay idle, may take the pages in the meantime: once, not each time.
    assert any(faults(keep=True) < 100 for _ in range(3))
