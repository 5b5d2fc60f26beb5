import importlib

import pytest
from hydra.core.config_store import ConfigStore
from hydra.utils import get_class
from hydra_async_sweeper.application import MOVED_TARGETS


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


def test_pruners_keep_their_earlier_paths_for_a_version():
    with pytest.warns(DeprecationWarning, match="hydra_async_sweeper"):
        importlib.reload(importlib.import_module("densenet_sweep.sweep"))
    present = [
        get_class(path).__name__ for earlier, path in MOVED_TARGETS.items() if earlier.startswith("densenet_sweep.sweep.")
    ]
    assert present == ["PromotionPruner", "BestSharePruner", "TopKAfterOneEpochPruner"]
