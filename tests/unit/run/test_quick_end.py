import subprocess
import sys

import pytest

ENDS = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # called last
from densenet_sweep.run.quick_end import end_quickly
end_quickly()
"""


@pytest.mark.parametrize(("also", "is_frozen"), [("", "True"), ("sys.modules['triton'] = sys", "False")])
def test_what_is_alive_at_the_end_is_not_collected_unless_triton_would_print_it(also, is_frozen):
    ended = subprocess.run([sys.executable, "-c", ENDS + also], capture_output=True, text=True, check=True)
    assert (ended.stdout.strip(), ended.stderr) == (is_frozen, "")
