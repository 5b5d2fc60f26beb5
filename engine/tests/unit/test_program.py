import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from hydra_async_sweeper.program import program


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Return a function that makes this process look as Python started it: `sys.argv[0]`, and the module after `-m`."""
    monkeypatch.chdir(tmp_path)

    def start(first_argument: str, module: str | None = None) -> None:
        main = ModuleType("__main__")
        main.__spec__ = None if module is None else ModuleSpec(module, None, origin=first_argument)
        monkeypatch.setitem(sys.modules, "__main__", main)
        monkeypatch.setattr(sys, "argv", [first_argument, "-m", "lr=1"])

    return start


@pytest.mark.parametrize(
    ("first_argument", "module", "expected"),
    [
        ("train.py", None, "python train.py"),
        ("src/train.py", None, "python src/train.py"),
        ("my project/train.py", None, "python 'my project/train.py'"),
        ("/home/me/src/train.py", "project.train", "python -m project.train"),
        ("/home/me/src/project/__main__.py", "project.__main__", "python -m project"),
        ("/home/me/src/project/__main__.py", None, "python -m project"),
        ("my project", "__main__", "python 'my project'"),  # a folder
        ("/usr/bin/env", None, "env"),
        ("./train", None, "./train"),
        ("./env", None, "./env"),  # named as another command
        ("/opt/no path/train", None, "'/opt/no path/train'"),  # nowhere on PATH
    ],
)
def test_the_program_is_named_as_it_was_typed(started, first_argument, module, expected):
    started(first_argument, module)
    assert program() == expected
