"""What a script defines reaches processes whose own main module is another."""

import functools
import pickle
import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest
from hydra.utils import get_class
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.script import Script, WithScript, dumps, script
from hydra_async_sweeper.sendable import check_sendable
from omegaconf import OmegaConf

SOURCE = """
import functools, threading
lock = threading.Lock()
class Model:
    width = 3
    def locked(self):
        return lock
class Small:
    width = 1
def locked():
    return lock
def twice(number):
    return 2 * number
@functools.lru_cache(maxsize=7)
def power(number):
    return 1 if number == 0 else twice(power(number - 1))
def main(config):
    return power(3)
def nests(config):
    return [Model() for _ in range(3)]
class Named:
    def __reduce__(self):
        return "NAMED"
NAMED = Named()
def named(config):
    return NAMED
"""


@pytest.fixture
def main(monkeypatch) -> ModuleType:
    main = ModuleType("__main__")
    main.__file__ = "script.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(SOURCE, vars(main))
    return main


def sent(value):
    """Return what a process with an empty main module unpickles."""
    pickled = dumps(value)
    sys.modules["__main__"] = ModuleType("__main__")
    return pickle.loads(pickled)


@pytest.mark.usefixtures("main")
def test_a_config_may_name_what_the_script_defines():
    pickled = dumps(script())  # without what cannot be pickled, such as `locked`
    worker = sys.modules["__main__"] = ModuleType("__main__")
    worker.twice = "its own"
    pickle.loads(pickled).register()
    assert get_class("__main__.Small").width == 1
    assert not hasattr(worker, "locked")
    assert worker.twice == "its own"


@pytest.mark.parametrize("takes", ["ours", "any"])
def test_a_task_and_its_processes_use_the_same_functions(main, takes):
    if takes == "ours":
        task, found = sent((main.main, script()))
        assert isinstance(found, Script)
        found.replace_main()
        found.register()
    else:
        pickled = pickle.dumps(WithScript(main.main, script()))
        sys.modules["__main__"] = ModuleType("__main__")
        task = pickle.loads(pickled).task_function
    there = sys.modules["__main__"]
    assert task(None) == 8
    assert (there.power.cache_info().misses, there.power.cache_parameters()) == (4, {"maxsize": 7, "typed": False})
    for name in ("main", "twice", "power"):  # a pool's pickle of one names it
        assert pickle.loads(pickle.dumps(getattr(there, name))) is getattr(there, name)
    assert task.__globals__["twice"] is there.twice
    assert takes == "any" or there.__file__ == "script.py"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("locked", "locked uses lock, a _thread.lock, which cannot be sent"),
        ("nests", "locked uses lock, a _thread.lock, which cannot be sent"),
        ("named", "named uses NAMED, a Named, which cannot be sent"),
    ],
)
def test_what_cannot_be_sent_is_named(main, task, reason):
    config = OmegaConf.create({"hydra": {"runtime": {"choices": {"hydra/launcher": "local"}}}})
    context = SimpleNamespace(callbacks=SimpleNamespace(callbacks=[]))
    check_sendable(main.main, context, config)
    with pytest.raises(SweepError, match=f"^hydra/launcher=local: .*{reason} to another process; hydra/launcher=basic"):
        check_sendable(getattr(main, task), context, config)
    with pytest.raises(SweepError, match=r"local: the task, a functools\.partial, cannot be sent to another process;"):
        check_sendable(functools.partial(main.main, threading.Lock()), context, config)
    context.callbacks.callbacks = [threading.Lock()]
    with pytest.raises(SweepError, match=r"local: lock, a _thread.lock, cannot be sent"):
        check_sendable(main.main, context, config)
