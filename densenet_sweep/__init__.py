"""Hydra-configured hyperparameter sweeps for DenseNets: Optuna searches, MLflow records.

The public Python API is what `__all__` lists; everything else may change without notice.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from densenet_sweep.python_api.model import Model, load_model
    from densenet_sweep.python_api.network import build
    from densenet_sweep.python_api.run import Run, train
    from densenet_sweep.python_api.study import Study, load_study, run_sweep

__all__ = ["Model", "Run", "Study", "build", "load_model", "load_study", "run_sweep", "train"]

# Imported when first used: torch takes seconds to import, and most commands do not need it.
_MODULES = {"Model": "model", "load_model": "model", "build": "network", "Run": "run", "train": "run"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("densenet-sweep")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"densenet_sweep.python_api.{_MODULES.get(name, 'study')}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
