"""Labelled images in memory.

Shape suffixes: N images of a set, C channels, H height, W width.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their labels: images_NCHW of uint8 and labels_N of int64, on one device."""

    images_NCHW: Tensor
    labels_N: Tensor

    def __post_init__(self) -> None:
        if self.images_NCHW.dtype != torch.uint8 or self.images_NCHW.ndim != 4:
            raise ValueError(f"images are {self.images_NCHW.dtype} of {self.images_NCHW.ndim} dimensions, not uint8 of 4")
        if self.labels_N.dtype != torch.int64 or self.labels_N.shape != self.images_NCHW.shape[:1]:
            raise ValueError(f"{len(self.images_NCHW)} images do not go with labels of shape {tuple(self.labels_N.shape)}")

    @functools.cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that tell these images and labels, in this order, from any others."""
        content = hashlib.blake2b(repr(tuple(self.images_NCHW.shape)).encode(), digest_size=8)
        for tensor in (self.images_NCHW, self.labels_N):
            content.update(tensor.detach().cpu().contiguous().numpy().data)
        return content.hexdigest()

    def __len__(self) -> int:
        return len(self.labels_N)

    def select(self, indices: Tensor) -> "Images":
        """Return the images at `indices`, in that order."""
        return Images(self.images_NCHW[indices], self.labels_N[indices])

    def joined(self, others: "Images") -> "Images":
        """Return these images followed by `others`."""
        return Images(torch.cat([self.images_NCHW, others.images_NCHW]), torch.cat([self.labels_N, others.labels_N]))

    def to(self, device: torch.device) -> "Images":
        """Return the same images on `device`."""
        return Images(self.images_NCHW.to(device), self.labels_N.to(device))


class HeldBack:
    """Test images behind a call, so that nobody reads them by accident; `num_reads` counts the calls."""

    def __init__(self, load: Callable[[], Images]) -> None:
        self._load = load
        self.num_reads = 0

    def __call__(self) -> Images:
        """Read them."""
        self.num_reads += 1
        return self._load()


@dataclass(frozen=True, eq=False)
class Source:
    """A data set: its training images, and its test images, which are read by a call alone."""

    class_names: tuple[str, ...]
    train: Images
    load_test: HeldBack
