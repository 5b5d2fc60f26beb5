"""A dense block that keeps only its narrow maps and recomputes the wide ones in the backward pass.

Owns what is kept and what is recomputed; the numbers equal those of the plain pass to the bit.
Shape suffixes: B images in a batch, C channels, H height, W width.
"""

from collections.abc import Callable, Collection
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

Stage = tuple[nn.BatchNorm2d, nn.ReLU, nn.Conv2d]


class Layer(Protocol):
    """A dense layer: stages one after another, each followed by dropout."""

    def stages(self) -> list[Stage]:
        """Return the stages; the first reads all maps so far, the last returns the new ones."""

    def dropout(self, maps_BCHW: Tensor, /) -> Tensor:
        """Return the maps with some set to zero."""


def recomputing(layers: Collection[Layer], images_BCHW: Tensor) -> Tensor:
    """Return the block's output: its input followed by the new maps of each layer.

    Kept are the output, which contains every layer's input, and the output of each bottleneck's first convolution. Recomputed
    are the layers' copies of the concatenation, which grow with the square of the depth, and the normalised maps. No
    convolution runs again.
    """
    maps = _Maps(images_BCHW.detach(), len(layers))
    line_BCHW = _Line.apply(images_BCHW)
    for layer in layers:
        channels = line_BCHW.shape[1]
        new_BCHW = _Joined.apply(line_BCHW, maps.first(channels))
        for index, stage in enumerate(layer.stages()):
            kept_BCHW = None if index == 0 else new_BCHW.detach()
            new_BCHW = new_BCHW if index == 0 else _Kept.apply(new_BCHW)
            recomputed = _Recomputed(stage, maps, channels, kept_BCHW)
            new_BCHW = layer.dropout(recomputed(new_BCHW))
        maps.append(new_BCHW.detach())
        line_BCHW = _Lengthened.apply(line_BCHW, new_BCHW)
    output_BCHW: Tensor = _Joined.apply(line_BCHW, maps.first(line_BCHW.shape[1]))
    return output_BCHW


class _Maps:
    """A block's maps so far, outside of autograd's graph, where they would form a cycle.

    One tensor has room for all maps. Two more, reused by layer after layer, hold a layer's input and its normalised maps. A
    new tensor for each layer would fragment the memory of a process that keeps freed memory: each hole is too small for the
    next tensor (`benchmarks/LOG.md`).
    """

    def __init__(self, images_BCHW: Tensor, num_layers: int) -> None:
        self._all_BCHW = images_BCHW
        self._num_layers = num_layers
        self._num_channels = images_BCHW.shape[1]
        self._read = _Room()
        self._made = _Room()

    def append(self, new_BCHW: Tensor) -> None:
        start, self._num_channels = self._num_channels, self._num_channels + new_BCHW.shape[1]
        if start == self._all_BCHW.shape[1]:  # the first layer's
            joined_BCHW = torch.cat((self._all_BCHW, new_BCHW), dim=1)
            self._all_BCHW = _roomy(joined_BCHW, start + self._num_layers * new_BCHW.shape[1])
        else:
            self._all_BCHW[:, start : self._num_channels] = new_BCHW

    def first(self, channels: int) -> Tensor:
        """Return the first `channels` maps as one dense tensor, valid until the next call."""
        if channels == self._all_BCHW.shape[1]:
            return self._all_BCHW
        return self._read.like(self._all_BCHW, channels).copy_(self._all_BCHW[:, :channels])

    def normalised(self, input_BCHW: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        """Return the input normalised by `norm` as in training, as a tensor that is valid until the next call.

        Leaves the running statistics alone: the first pass has updated them, and in training the output does not use them.
        """
        fits = input_BCHW.dtype == self._all_BCHW.dtype and input_BCHW.shape[1] <= self._all_BCHW.shape[1]
        if input_BCHW.device.type != "cpu" or not fits:
            return functional.batch_norm(input_BCHW, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        made_BCHW = self._made.like(self._all_BCHW, input_BCHW.shape[1])
        statistics = [torch.empty_like(norm.weight) for _ in ("mean", "inverse standard deviation")]
        torch.ops.aten.native_batch_norm.out(
            input_BCHW, norm.weight, norm.bias, None, None, True, 0.0, norm.eps,
            out=made_BCHW, save_mean=statistics[0], save_invstd=statistics[1],
        )  # fmt: skip
        return made_BCHW


class _Room:
    """Memory for one tensor at a time, of any number of channels."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def like(self, all_BCHW: Tensor, channels: int) -> Tensor:
        """Return a dense tensor with `channels` channels (at most those of `all_BCHW`) and the layout of `all_BCHW`."""
        if self._memory is None:
            self._memory = torch.empty(all_BCHW.numel(), dtype=all_BCHW.dtype, device=all_BCHW.device)
        batch, _, height, width = all_BCHW.shape
        memory = self._memory[: batch * channels * height * width]
        if _is_channels_last(all_BCHW):
            return memory.view(batch, height, width, channels).permute(0, 3, 1, 2)
        return memory.view(batch, channels, height, width)


def _is_channels_last(maps_BCHW: Tensor) -> bool:
    return maps_BCHW.stride(3) == maps_BCHW.shape[1]


def _roomy(maps_BCHW: Tensor, num_channels: int) -> Tensor:
    """Return a tensor of the same layout with room for `num_channels` channels, the first filled with the maps."""
    batch, channels, height, width = maps_BCHW.shape
    memory_format = torch.channels_last if _is_channels_last(maps_BCHW) else torch.contiguous_format
    all_BCHW = torch.empty(
        (batch, num_channels, height, width), dtype=maps_BCHW.dtype, device=maps_BCHW.device, memory_format=memory_format
    )
    all_BCHW[:, :channels] = maps_BCHW
    return all_BCHW


class _Recomputed:
    """Calls a stage without saving ReLU's output or, in a first stage, BatchNorm's input; recomputes both in the backward pass.

    There convolution, ReLU and BatchNorm unpack them in this order. `torch.utils.checkpoint` does the same for any function,
    but costs 1.4 ms of Python per stage (`benchmarks/LOG.md`).
    """

    def __init__(self, stage: Stage, maps: _Maps, channels: int, kept_BCHW: Tensor | None) -> None:
        self._stage = stage
        self._maps = maps
        self._read: Callable[[], Tensor] = lambda: maps.first(channels) if kept_BCHW is None else kept_BCHW
        self._keeps_input = kept_BCHW is not None
        self._input_BCHW: Tensor | None = None
        self._output_BCHW: Tensor | None = None
        self._addresses: dict[int, Callable[[], Tensor]] = {}

    def __call__(self, maps_BCHW: Tensor) -> Tensor:
        norm, relu, convolution = self._stage
        if not self._keeps_input:
            self._addresses[maps_BCHW.data_ptr()] = self._take_input
        with saved_tensors_hooks(self._pack, _unpack):
            normalised_BCHW = norm(maps_BCHW)
            self._addresses[normalised_BCHW.data_ptr()] = self._take_output  # ReLU works in place
            output_BCHW: Tensor = convolution(relu(normalised_BCHW))
        self._addresses.clear()  # other tensors may reuse these addresses from here on
        return output_BCHW

    def _pack(self, tensor: Tensor) -> Tensor | Callable[[], Tensor]:
        return self._addresses.get(tensor.data_ptr(), tensor)

    def _take_input(self) -> Tensor:
        found, self._input_BCHW = self._input_BCHW, None
        return self._read() if found is None else found

    def _take_output(self) -> Tensor:
        found, self._output_BCHW = self._output_BCHW, None
        if found is None:  # the convolution unpacks first, then ReLU
            self._input_BCHW = self._read()
            self._output_BCHW = found = self._maps.normalised(self._input_BCHW, self._stage[0]).relu_()
        return found


def _unpack(packed: Tensor | Callable[[], Tensor]) -> Tensor:
    if isinstance(packed, Tensor):
        return packed
    with torch.no_grad():
        return packed()


# The gradients of a block's maps must be summed as in the plain path, in one tensor of all maps, but that tensor is never kept.
# A line stands for it in autograd's graph: it has the concatenation's shape but takes no memory (all strides are zero).


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


class _Kept(Function):
    """Returns its input, and saves it for the backward pass so that measurements of autograd's memory include it."""

    @staticmethod
    def forward(ctx: Any, maps_BCHW: Tensor) -> Tensor:
        ctx.save_for_backward(maps_BCHW)
        return maps_BCHW.view_as(maps_BCHW)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> Tensor:  # noqa: ARG004
        return gradient_BCHW


class _Joined(Function):
    """Returns the maps that a line stands for; their gradient is the line's."""

    @staticmethod
    def forward(ctx: Any, line_BCHW: Tensor, maps_BCHW: Tensor) -> Tensor:  # noqa: ARG004
        return maps_BCHW.view_as(maps_BCHW)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradient_BCHW, None
