"""A dense block that keeps its narrow maps alone and recomputes the wide ones in the backward pass.

Owns what is kept, what is recomputed, and that both passes give the numbers of the plain one to the bit.
Shape suffixes: B images in a batch, C channels, H height, W width.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

Stage = tuple[nn.BatchNorm2d, nn.ReLU, nn.Conv2d]


class Layer(Protocol):
    """A dense layer: stages one after another, each followed by dropout."""

    def stages(self) -> list[Stage]:
        """Return them; the first reads all maps so far, the last gives the new ones."""

    def dropout(self, maps_BCHW: Tensor, /) -> Tensor:
        """Return the maps with some set to zero."""


def recomputing(layers: Iterable[Layer], images_BCHW: Tensor) -> Tensor:
    """Return the block's output for its input: that followed by the new maps of each layer.

    Kept are the output, in which every layer finds all that it has read, and what a bottleneck's first convolution returns.
    Copies of the concatenation, which grow with the square of the depth, and normalised maps are made again. No convolution
    is run again: each is the last of its stage, and nothing after it needs to be recomputed.
    """
    maps = _Maps(images_BCHW.detach())
    line_BCHW = _Line.apply(images_BCHW)
    for layer in layers:
        first, *others = (_Recomputed(stage) for stage in layer.stages())
        new_BCHW = layer.dropout(_checkpoint(_Reading(maps, first), line_BCHW))
        for stage in others:
            new_BCHW = layer.dropout(_checkpoint(stage, new_BCHW))
        maps.append(new_BCHW.detach())
        line_BCHW = _Lengthened.apply(line_BCHW, new_BCHW)
    output_BCHW: Tensor = _Joined.apply(line_BCHW, maps.all_BCHW)
    return output_BCHW


def _checkpoint(stage: Callable[[Tensor], Tensor], maps_BCHW: Tensor) -> Tensor:
    # Nothing in a stage is random, so the random state need not be kept.
    output_BCHW: Tensor = checkpoint(stage, maps_BCHW, use_reentrant=False, preserve_rng_state=False)
    return output_BCHW


class _Maps:
    """The concatenation of a block's maps so far, outside of autograd's graph, which would be a cycle otherwise."""

    def __init__(self, images_BCHW: Tensor) -> None:
        self.all_BCHW = images_BCHW

    def append(self, new_BCHW: Tensor) -> None:
        self.all_BCHW = torch.cat((self.all_BCHW, new_BCHW), dim=1)

    def of(self, line_BCHW: Tensor) -> Tensor:
        """Return the maps that a line stands for, in memory of their own unless these are all so far."""
        channels = line_BCHW.shape[1]
        return self.all_BCHW if channels == self.all_BCHW.shape[1] else self.all_BCHW[:, :channels].clone()


class _Recomputed:
    """Calls a stage; from the second call on (the recomputation) its BatchNorm leaves its running statistics alone."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.called = False

    def __call__(self, maps_BCHW: Tensor) -> Tensor:
        norm, relu, convolution = self.stage
        with _statistics_apart(norm) if self.called else nullcontext():
            self.called = True
            output_BCHW: Tensor = convolution(relu(norm(maps_BCHW)))
        return output_BCHW


class _Reading:
    """Calls a layer's first stage on the maps that a line stands for."""

    def __init__(self, maps: _Maps, stage: _Recomputed) -> None:
        self.maps = maps
        self.stage = stage

    def __call__(self, line_BCHW: Tensor) -> Tensor:
        return self.stage(_Joined.apply(line_BCHW, self.maps.of(line_BCHW)))


@contextmanager
def _statistics_apart(norm: nn.BatchNorm2d) -> Iterator[None]:
    mean, variance, count = norm.running_mean, norm.running_var, norm.num_batches_tracked
    try:
        # Batch statistics are used in training whatever the running ones are, so the maps come out the same.
        norm.running_mean = torch.zeros_like(mean)  # type: ignore[arg-type]
        norm.running_var = torch.ones_like(variance)  # type: ignore[arg-type]
        norm.num_batches_tracked = torch.zeros_like(count)  # type: ignore[arg-type]
        yield
    finally:
        norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, variance, count


# The gradients of a block's maps are to be summed as in the plain path, in one tensor of all maps, although that tensor is
# never kept. A line stands for it in autograd's graph: it has the concatenation's shape and no memory (all strides are zero).


def _line(like: Tensor, channels: int) -> Tensor:
    return like.new_empty(()).expand(like.shape[0], channels, *like.shape[2:])


class _Line(Function):
    """Begins a line that stands for its input."""

    @staticmethod
    def forward(ctx: Any, images_BCHW: Tensor) -> Tensor:  # noqa: ARG004
        return _line(images_BCHW, images_BCHW.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> Tensor:  # noqa: ARG004
        return gradient_BCHW


class _Lengthened(Function):
    """Appends a layer's new maps to a line."""

    @staticmethod
    def forward(ctx: Any, line_BCHW: Tensor, new_BCHW: Tensor) -> Tensor:
        ctx.channels = line_BCHW.shape[1]
        return _line(line_BCHW, ctx.channels + new_BCHW.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        return gradient_BCHW[:, : ctx.channels], gradient_BCHW[:, ctx.channels :]


class _Joined(Function):
    """Returns the maps that a line stands for; their gradient is the line's."""

    @staticmethod
    def forward(ctx: Any, line_BCHW: Tensor, maps_BCHW: Tensor) -> Tensor:  # noqa: ARG004
        return maps_BCHW.view_as(maps_BCHW)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradient_BCHW, None
