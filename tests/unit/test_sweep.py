import importlib

import pytest
from hydra.core.config_store import ConfigStore


def test_the_engine_keeps_its_earlier_name_for_a_version():
    with pytest.warns(DeprecationWarning, match="hydra_async_sweeper"):
        earlier = importlib.import_module("densenet_sweep.sweep")
    assert earlier.current_trial is importlib.import_module("hydra_async_sweeper").current_trial


def test_the_sweeper_keeps_its_earlier_name_for_a_version():
    with pytest.warns(DeprecationWarning, match="hydra_async_sweeper"):
        importlib.reload(importlib.import_module("densenet_sweep.sweep"))
    store = ConfigStore.instance()
    earlier, present = (store.load(f"hydra/sweeper/{name}.yaml").node for name in ("densenet_sweep", "async_optuna"))
    assert earlier == present
