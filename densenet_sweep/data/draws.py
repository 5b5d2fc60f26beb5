"""The random numbers of an epoch's augmentation, drawn on the CPU: they are the same on every device, and none is waited for.

Shape suffix: B images in a batch.
"""

import numpy as np
import torch
from torch import Tensor


class Draws:
    """Random numbers, one for each image of a batch; all follow from the seed."""

    def __init__(self, seed: int, device: torch.device) -> None:
        """Take a seed of at least 0, and where the numbers are used."""
        self._random = np.random.default_rng(seed)
        self._device = device

    def uniform(self, size: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return numbers_B of float32 between `low` and `high`."""
        return self._sent(self._random.uniform(low, high, size))

    def beta(self, size: int, alpha: float) -> Tensor:
        """Return numbers_B of float32 of the beta distribution with `alpha` twice."""
        return self._sent(self._random.beta(alpha, alpha, size))

    def choices(self, size: int, number: int) -> np.ndarray:
        """Return one of `number` for each image, on the CPU."""
        return self._random.integers(0, number, size)

    def _sent(self, numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(numbers.astype(np.float32)).to(self._device, non_blocking=True)
