"""`build`: an untrained network from Python."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from densenet_sweep.config import composition, errors

if TYPE_CHECKING:
    from torch import nn


def build(overrides: Sequence[str] | None = None) -> "nn.Module":
    """Return the freshly initialised network that the same overrides on the command line would train, on the CPU.

    Example:
        >>> network = densenet_sweep.build(["architecture=densenet_bc", "architecture.depth=40", "data=cifar10"])

    Raises:
        ValueError: an override that the command would refuse, in one line.
    """
    from densenet_sweep.run import train

    try:
        config = composition.typed(composition.compose(list(overrides or ())))
        return train.build_network(config)
    except Exception as error:
        raise ValueError(errors.one_line(error)) from error
