import sys

import pytest
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import OmegaConf

from densenet_sweep.config import composition
from densenet_sweep.config.hydra_private import VERSION_BASE, allowed_at_a_call, started


def parsed(arguments):
    return sys.modules["hydra.main"].get_args_parser().parse_args(arguments)


def test_a_sweep_is_one_without_its_flag_only_while_the_command_says_so():
    with started(is_multirun=True):
        assert parsed(["sweep=mine"]).multirun
    with started(is_multirun=False):
        assert parsed(["-m"]).multirun
        assert not parsed([]).multirun
    assert not parsed([]).multirun


@pytest.mark.skipif(not VERSION_BASE, reason="Hydra 1.4 composes nothing to learn the mode")
def test_a_mode_that_is_known_is_not_composed_once_more(monkeypatch):
    composed = OmegaConf.create({"hydra": {"mode": "RUN"}})
    monkeypatch.setattr(Hydra, "compose_config", lambda *_, **__: composed)
    with started(is_multirun=False, mode=RunMode.MULTIRUN):
        assert Hydra.get_mode(Hydra, "config", []) is RunMode.MULTIRUN
    with started(is_multirun=False):
        assert Hydra.get_mode(Hydra, "config", []) == "RUN"
    with started(is_multirun=False, mode=None):
        assert Hydra.get_mode(Hydra, "config", []) is None
    assert Hydra.get_mode(Hydra, "config", []) == "RUN"


@pytest.mark.skipif(not VERSION_BASE, reason="the sources of Hydra 1.4 hold no store")
def test_a_composition_shares_the_registered_configs_and_cannot_change_them():
    composition.register()
    with composition.config_loader() as (loader, _):
        assert CachingConfigRepository(loader.repository).get_schema_source().store is ConfigStore.instance()
    composition.compose(["data=digits"]).optimizer.lr = 99.0
    assert composition.compose(["data=digits"]).optimizer.lr != 99.0


@pytest.mark.skipif(bool(VERSION_BASE), reason="Hydra 1.3 has no allow-list")
def test_only_what_is_allowed_is_called():
    assert instantiate({"_target_": "collections.Counter"}, **allowed_at_a_call(["collections.*"])) == {}
    with pytest.raises(InstantiationException):
        instantiate({"_target_": "os.getcwd"}, **allowed_at_a_call(["densenet_sweep.*"]))
