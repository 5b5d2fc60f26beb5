"""How Hydra finds the plugins: 1.3 scans the namespace `hydra_plugins`, 1.4 reads entry points, which name classes."""

import importlib
import inspect
import tomllib
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("value", PROJECT["entry-points"]["hydra.plugins"].values())
def test_each_entry_point_names_a_plugin_class_that_hydra_has_found(value):
    module, _, name = value.partition(":")
    plugin = getattr(importlib.import_module(module), name)
    assert issubclass(plugin, Plugin)
    assert not inspect.isabstract(plugin)
    found = {f"{it.__module__}:{it.__name__}" for it in Plugins.instance().discover()}
    assert value in found


def test_its_options_are_the_only_ones_of_their_names():
    Plugins.instance()  # its first call registers the options of every plugin
    store = ConfigStore.instance()
    assert "async_optuna.yaml" in store.list("hydra/sweeper")
    assert "local.yaml" in store.list("hydra/launcher")
    assert "optuna.yaml" not in store.list("hydra/sweeper")  # the other plugin's name
