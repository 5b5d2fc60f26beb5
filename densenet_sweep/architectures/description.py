"""What a network is and costs: parameters, multiply-accumulates, feature maps and activation memory, all measured.

Knows networks as `torch.nn.Module`s only; needs no data.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from densenet_sweep.architectures.parts import parts
from densenet_sweep.counts import counted
from densenet_sweep.picture_size import sides

# Two images: in training BatchNorm needs more than one value per channel, even where a map has shrunk to 1x1.
_PROBE_BATCH = 2


@dataclass(frozen=True)
class Stage:
    """One top-level part of the network: output shape (C, H, W), parameters and multiply-accumulates per image."""

    name: str
    shape: tuple[int, ...]
    num_parameters: int
    num_macs: int


@dataclass(frozen=True)
class Description:
    """The whole network; `activation_bytes` is what one training step in fp32 keeps for the backward pass."""

    num_parameters: int
    num_macs: int
    image_shape: tuple[int, int, int]
    batch_size: int
    activation_bytes: int
    stages: tuple[Stage, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and strings, ready for JSON."""
        return asdict(self)


def describe(network: nn.Module, *, image_size: int | Sequence[int], batch_size: int) -> Description:
    """Measure `network` with one forward pass of two random images on the CPU.

    Multiply-accumulates are those of convolutions and linear layers without biases, as in published figures. Activation
    memory is what autograd saves in a training step (each storage once, without the parameters), scaled from two images to
    `batch_size`; bf16 autocast keeps about half of it.

    Args:
        network: maps images_BCHW to logits_BK; left unchanged.
        image_size: height and width in pixels, or one number for both.
        batch_size: of the training step.
    """
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    image_shape = (first.in_channels, *sides(image_size))
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    was_training = network.training
    shapes: dict[str, tuple[int, ...]] = {}
    macs: dict[str, int] = {}
    with _watched(network, shapes, macs), _saved_bytes(network) as saved, torch.enable_grad():
        network.train()(torch.rand(_PROBE_BATCH, *image_shape))
    network.train(was_training)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    stages = tuple(
        Stage(
            name=name.removeprefix("features."),
            shape=shapes[name],
            num_parameters=sum(parameter.numel() for parameter in module.parameters()),
            num_macs=sum(count for inner, count in macs.items() if inner == name or inner.startswith(f"{name}.")),
        )
        for name, module in parts(network)
        if name in shapes
    )
    return Description(
        num_parameters=sum(parameter.numel() for parameter in network.parameters()),
        num_macs=sum(macs.values()),
        image_shape=image_shape,
        batch_size=batch_size,
        activation_bytes=saved[0] * batch_size // _PROBE_BATCH,
        stages=stages,
    )


def render(description: Description) -> str:
    """Return a table of the stages and the totals, as plain text."""
    rows = [("stage", "output", "parameters", "MACs")]
    rows += [
        (stage.name, "x".join(map(str, stage.shape)), f"{stage.num_parameters:,}", f"{stage.num_macs:,}")
        for stage in description.stages
    ]
    rows.append(("total", "", f"{description.num_parameters:,}", f"{description.num_macs:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{name:<{widths[0]}}  {shape:>{widths[1]}}  {parameters:>{widths[2]}}  {macs:>{widths[3]}}"
        for name, shape, parameters, macs in rows
    ]
    lines.insert(1, "-" * len(lines[0]))
    lines.insert(-1, "-" * len(lines[0]))
    channels, height, width = description.image_shape
    mebibytes = description.activation_bytes / 2**20
    lines += [
        "",
        f"image {channels}x{height}x{width}; {description.num_macs / 1e6:,.1f} M multiply-accumulates an image",
        f"activations kept in a training step of {counted(description.batch_size, 'image')}: {mebibytes:,.0f} MiB in fp32, "
        "about half in bf16",
    ]
    return "\n".join(lines)


@contextmanager
def _watched(network: nn.Module, shapes: dict[str, tuple[int, ...]], macs: dict[str, int]) -> Iterator[None]:
    """Record the output shape of every module and the multiply-accumulates of every convolution and linear layer."""

    def hook(name: str, module: nn.Module, output: Tensor) -> None:
        shapes[name] = tuple(output.shape[1:])
        if isinstance(module, nn.Conv2d):
            macs[name] = output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            macs[name] = module.weight.numel()

    handles = [
        module.register_forward_hook(lambda module, _, output, name=name: hook(name, module, output))
        for name, module in network.named_modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _saved_bytes(network: nn.Module) -> Iterator[list[int]]:
    """Yield a one-element list with the bytes that autograd has saved so far: each storage once, without parameters."""
    total = [0]
    seen = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: list[Tensor] = []  # a storage must not be freed and its address reused while counting

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            kept.append(tensor)
            total[0] += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield total
