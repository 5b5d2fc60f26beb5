"""What a script defines reaches processes whose own main module is another."""

import sys
from types import ModuleType

from hydra.utils import get_class
from hydra_async_sweeper.script import script

SOURCE = """
import threading
lock = threading.Lock()
class Model:
    width = 3
def locked():
    return lock
def twice(number):
    return 2 * number
"""


def test_a_config_may_name_what_the_script_defines(monkeypatch):
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(SOURCE, vars(main))  # `locked` cannot be pickled
    found = script()
    worker = ModuleType("__main__")
    worker.twice = "its own"
    monkeypatch.setitem(sys.modules, "__main__", worker)
    found.register()
    assert get_class("__main__.Model").width == 3
    assert not hasattr(worker, "locked")
    assert worker.twice == "its own"
