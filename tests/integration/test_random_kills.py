"""Three schedules of `random_kills.py`; by hand it runs as many as one likes."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def random_kills():
    spec = importlib.util.spec_from_file_location("random_kills", Path(__file__).parent / "random_kills.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["random_kills"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["random_kills"]


# Schedules of two or three workers: in one all are killed, in one a single worker, and in one Ctrl-C is pressed twice.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 15])
def test_a_sweep_that_is_killed_at_random_loses_nothing(random_kills, tmp_path, seed):
    what, wrong = random_kills.run(seed, tmp_path)
    assert wrong == [], f"{what}: {(tmp_path / 'output.txt').read_text()}"
