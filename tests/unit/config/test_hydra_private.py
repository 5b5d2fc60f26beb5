import sys

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate

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


@pytest.mark.skipif(bool(VERSION_BASE), reason="Hydra 1.3 has no allow-list")
def test_only_what_is_allowed_is_called():
    assert instantiate({"_target_": "collections.Counter"}, **allowed_at_a_call(["collections.*"])) == {}
    with pytest.raises(InstantiationException):
        instantiate({"_target_": "os.getcwd"}, **allowed_at_a_call(["densenet_sweep.*"]))
