import importlib

import pytest


def test_the_engine_keeps_its_earlier_name_for_a_version():
    with pytest.warns(DeprecationWarning, match="hydra_async_sweeper"):
        earlier = importlib.import_module("densenet_sweep.sweep")
    assert earlier.current_trial is importlib.import_module("hydra_async_sweeper").current_trial
