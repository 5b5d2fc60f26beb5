"""What an application's script defines and registers, for processes whose own main module is another.

What a process is sent of a script is one pickle, so that a function there and the one that `__main__` has are the same.
"""

import functools
import io
import pickle
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import FunctionType
from typing import Any

import cloudpickle

from hydra_async_sweeper import hydra_private

MAIN = "__main__"

_Cached = type(functools.cache(len))


@dataclass(frozen=True)
class Script:
    """A script's pickled resolvers of interpolations, and its definitions by name.

    A config may name them as `_target_: __main__.NAME`, and a task's own processes may unpickle them by name.
    """

    resolvers: Mapping[str, bytes]
    definitions: Mapping[str, Any]
    file: str | None
    module: str | None  # where it was run by `python -m`

    def register(self) -> None:
        """Add what this process lacks."""
        hydra_private.register(self.resolvers)
        main = sys.modules[MAIN]
        for name, defined in self.definitions.items():
            if not hasattr(main, name):
                setattr(main, name, defined)

    def replace_main(self) -> None:
        """Put a module without names in the place of this process's main one; multiprocessing's spawn runs its script."""
        main = type(sys)(MAIN)
        if self.file is not None:
            main.__file__ = self.file
        main.__spec__ = None if self.module is None else ModuleSpec(self.module, None)
        sys.modules[MAIN] = main


@dataclass(frozen=True)
class WithScript:
    """A task function that brings its script along: unpickled by any launcher, it registers it first."""

    task_function: Callable[[Any], Any]
    script: Script

    def __call__(self, config: Any) -> Any:
        """Call the task function."""
        return self.task_function(config)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the pickle of both in one, which knows what a launcher's own does not."""
        return _received, (dumps((self.task_function, self.script)),)


def _received(pickled: bytes) -> WithScript:
    received = WithScript(*pickle.loads(pickled))
    received.script.register()
    return received


def script() -> Script:
    """Return what can be pickled of this process's script."""
    main = sys.modules[MAIN]
    spec = getattr(main, "__spec__", None)
    return Script(
        hydra_private.resolvers(), _definitions(), getattr(main, "__file__", None), None if spec is None else spec.name
    )


def _definitions() -> dict[str, Any]:
    of_the_script = {
        name: it
        for name, it in vars(sys.modules[MAIN]).items()
        if isinstance(it, type | FunctionType | _Cached) and it.__module__ == MAIN
    }
    with suppress(Exception):
        dumps(of_the_script)
        return of_the_script
    return {name: it for name, it in of_the_script.items() if can_be_pickled(it)}


def can_be_pickled(value: Any) -> bool:
    """Return whether `dumps` takes `value`."""
    with suppress(Exception):
        dumps(value)
        return True
    return False


def dumps(value: Any) -> bytes:
    """Pickle `value`, what it uses of the script by value.

    Raises:
        Exception: it cannot be pickled, or only by the name that it has in the script.
    """
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # it has no types
    """Pickles also the script's cached functions by value, and refuses other objects that name themselves in `__main__`."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        named = vars(sys.modules[MAIN]).values()
        self._named = {id(it) for it in named if not isinstance(it, type | FunctionType)}

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _Cached) and obj.__module__ == MAIN:
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        if id(obj) in self._named and getattr(obj, "__module__", None) == MAIN and isinstance(obj.__reduce_ex__(4), str):
            raise pickle.PicklingError(f"{obj!r} is found by its name alone")
        return super().reducer_override(obj)


def _cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)
