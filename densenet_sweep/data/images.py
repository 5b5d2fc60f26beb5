"""Labelled images; several sets may share the same pixels.

Shape suffixes: M images of a data set, N images of a set of them, B images of a part, C channels, H height, W width.
"""

import functools
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from densenet_sweep.counts import counted

# Code that needs all images of a set reads this many bytes at a time: the set may be larger than memory.
BLOCK_BYTES = 2**23


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their labels on one device: rows_N of pixels_MCHW (uint8), or all rows; and labels_N or labels_NK (int64).

    A selection refers to the original pixels, so the splits of a data set share them; if they are a mapped file, all processes
    of a machine do. They are never written to. Of images with several labels, labels_NK are multi-hot; see `labels`. groups_N
    number what belongs together, such as the pictures of a patient; None where images are independent. weights_N (float32) say
    how much each image counts in the training loss; None: all as much. Of a copy on another device, `copied` is what it is a
    copy of.
    """

    pixels_MCHW: Tensor
    labels_N: Tensor
    rows_N: Tensor | None = None
    groups_N: np.ndarray | None = None
    copied: "Images | None" = None
    weights_N: Tensor | None = None

    def __post_init__(self) -> None:
        if self.pixels_MCHW.dtype != torch.uint8 or self.pixels_MCHW.ndim != 4:
            raise ValueError(
                f"images are {self.pixels_MCHW.dtype} of {counted(self.pixels_MCHW.ndim, 'dimension')}, not uint8 of 4"
            )
        rows_N = self.pixels_MCHW if self.rows_N is None else self.rows_N
        if self.labels_N.dtype != torch.int64 or self.labels_N.ndim > 2 or self.labels_N.shape[:1] != rows_N.shape[:1]:
            raise ValueError(f"labels of shape {tuple(self.labels_N.shape)} do not go with {counted(len(rows_N), 'image')}")
        if self.weights_N is not None and self.weights_N.shape != rows_N.shape[:1]:
            raise ValueError(f"{counted(len(self.weights_N), 'weight')} do not go with {counted(len(rows_N), 'image')}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return (len(self), *self.pixels_MCHW.shape[1:])

    @property
    def images_NCHW(self) -> Tensor:
        """All images: a copy where these are a selection."""
        return self.pixels(slice(None))

    @property
    def as_read(self) -> "Images":
        """These images where they were read: their rows are those of the files."""
        return self if self.copied is None else self.copied

    @functools.cached_property
    def digest(self) -> str:
        """A hash (16 hexadecimal digits) of these images, labels and weights in this order."""
        content = hashlib.blake2b(repr(self.shape).encode(), digest_size=8)
        for block_BCHW in self.blocks():
            content.update(block_BCHW.detach().cpu().contiguous().numpy().data)
        for numbers in (self.labels_N, self.weights_N):
            if numbers is not None:
                content.update(numbers.detach().cpu().contiguous().numpy().data)
        return content.hexdigest()

    def __len__(self) -> int:
        return len(self.labels_N)

    def pixels(self, chosen: slice | Tensor) -> Tensor:
        """Return images_BCHW at these indices of the set."""
        return self.pixels_MCHW[chosen if self.rows_N is None else self.rows_N[chosen]]

    def blocks(self) -> Iterator[Tensor]:
        """Yield all images in order, as images_BCHW of about `BLOCK_BYTES`."""
        size = max(1, BLOCK_BYTES // max(1, self.pixels_MCHW.shape[1:].numel()))
        for start in range(0, len(self), size):
            yield self.pixels(slice(start, start + size))

    def select(self, indices: Tensor) -> "Images":
        """Return the images at `indices`, in that order."""
        rows_B = indices if self.rows_N is None else self.rows_N[indices]
        groups_B = None if self.groups_N is None else self.groups_N[indices.cpu().numpy()]
        copied = None if self.copied is None else self.copied.select(indices.cpu())
        weights_B = None if self.weights_N is None else self.weights_N[indices]
        return Images(self.pixels_MCHW, self.labels_N[indices], rows_B, groups_B, copied, weights_B)

    def joined(self, others: "Images") -> "Images":
        """Return these images followed by `others`."""
        labels_B = torch.cat([self.labels_N, others.labels_N])
        if self.pixels_MCHW is others.pixels_MCHW and self.rows_N is not None and others.rows_N is not None:
            joined = Images(self.pixels_MCHW, labels_B, torch.cat([self.rows_N, others.rows_N]))
        else:
            joined = Images(torch.cat([self.images_NCHW, others.images_NCHW]), labels_B)
        if self.weights_N is None or others.weights_N is None:
            return joined
        return replace(joined, weights_N=torch.cat([self.weights_N, others.weights_N]))

    def to(self, device: torch.device) -> "Images":
        """Return these images on `device`, without the other rows of the pixels."""
        if device.type == self.labels_N.device.type == "cpu":
            return self
        images_NCHW = torch.empty(self.shape, dtype=torch.uint8, device=device)
        start = 0
        for block_BCHW in self.blocks():
            images_NCHW[start : start + len(block_BCHW)] = block_BCHW
            start += len(block_BCHW)
        weights_N = None if self.weights_N is None else self.weights_N.to(device)
        return Images(images_NCHW, self.labels_N.to(device), groups_N=self.groups_N, copied=self.as_read, weights_N=weights_N)


class HeldBack:
    """Test images that are loaded by an explicit call, never by accident; `num_reads` counts the calls.

    Their `digest` says whether they are others than before, and nothing of a network, so it counts as no call.
    """

    def __init__(self, load: Callable[[], Images]) -> None:
        self._load = load
        self.num_reads = 0

    def __call__(self) -> Images:
        """Read them."""
        self.num_reads += 1
        return self._load()

    @functools.cached_property
    def digest(self) -> str:
        """That of the test images."""
        return self._load().digest


@dataclass(frozen=True, eq=False)
class Found:
    """What was found of a user's own pictures, by which the splits are described.

    Attributes:
        names: of the pictures' files, by the rows of the pixels.
        contents: equal where two files are, by the same rows.
        test_rows: of the test pictures.
        test_labels: of the same.
        skipped: what was left out and why, in words.
        are_files: `contents` are those of whole files, by which a file is known again.
    """

    names: Sequence[str]
    contents: np.ndarray
    test_rows: np.ndarray
    test_labels: np.ndarray
    skipped: str = ""
    are_files: bool = True


@dataclass(frozen=True, eq=False)
class Source:
    """A data set: training images, test images behind a call, and a remark for the user.

    Attributes:
        class_names: by label.
        train: the training images; and those for validation, unless `valid` has them.
        load_test: reads the test images.
        remark: for the user.
        valid: the images for validation, where the data set itself says which they are.
        groups_N: a number for each of the images of `train`; images of one group are kept in one split.
        value_range: the values that are black and white in pictures that hold values instead of levels.
        untested: why there are no test images; empty where there are.
        found: of a user's own pictures.
        test_fraction: of the pictures that were set apart as test images by `data.split_seed`; None where they were given.
    """

    class_names: tuple[str, ...]
    train: Images
    load_test: HeldBack
    remark: str = ""
    valid: Images | None = None
    groups_N: np.ndarray | None = None
    value_range: tuple[float, float] | None = None
    untested: str = ""
    found: Found | None = None
    test_fraction: float | None = None


def as_tensor(array: np.ndarray) -> Tensor:
    """Return a tensor over the memory of `array`, which may be read-only: a write into the tensor then crashes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
