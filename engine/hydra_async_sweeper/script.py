"""What an application's script registers and defines, for processes that only unpickle its task."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType

import cloudpickle

from hydra_async_sweeper import hydra_private

_MAIN = "__main__"


@dataclass(frozen=True)
class Script:
    """Pickled resolvers of interpolations, and classes and functions, which a config may name as `_target_: __main__.NAME`."""

    resolvers: Mapping[str, bytes]
    definitions: Sequence[bytes]

    def register(self) -> None:
        """Add what this process lacks."""
        hydra_private.register(self.resolvers)
        main = sys.modules[_MAIN]
        for pickled in self.definitions:
            with suppress(Exception):
                for name, defined in cloudpickle.loads(pickled).items():
                    if not hasattr(main, name):
                        setattr(main, name, defined)


def script() -> Script:
    """Return what can be pickled of this process's script."""
    return Script(hydra_private.resolvers(), _definitions())


def _definitions() -> list[bytes]:
    of_the_script = {
        name: it
        for name, it in vars(sys.modules[_MAIN]).items()
        if isinstance(it, type | FunctionType) and it.__module__ == _MAIN
    }
    with suppress(Exception):
        return [cloudpickle.dumps(of_the_script)]  # what they share is written once
    pickled = []
    for name, it in of_the_script.items():
        with suppress(Exception):
            pickled.append(cloudpickle.dumps({name: it}))
    return pickled
