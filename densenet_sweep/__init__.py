"""Hydra-configured hyperparameter sweeps for DenseNets: Optuna searches, MLflow records."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds to import, and most commands do not need it
    from torch import nn

__version__ = "0.1.0"
__all__ = ["build"]


def build(overrides: list[str] | None = None) -> "nn.Module":
    """Return the freshly initialised network that the same overrides on the command line would train, on the CPU.

    Example:
        >>> network = densenet_sweep.build(["architecture=densenet_bc", "architecture.depth=40", "data=cifar10"])

    Raises:
        ValueError: an override that the command would refuse, in one line.
    """
    from densenet_sweep.config import composition, errors
    from densenet_sweep.run import train

    try:
        config = composition.typed(composition.compose(overrides or []))
        return train.build_network(config)
    except Exception as error:
        raise ValueError(errors.one_line(error)) from error
