"""The device and the number format of a training; owns nothing else."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import nn

from densenet_sweep.counts import counted


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` takes the first GPU where there is one.

    Raises:
        ValueError: a device that torch does not know or this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device={name}: auto, cpu, cuda, cuda:N or mps is accepted") from None
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device={name}: this machine has no usable GPU; auto or cpu is accepted")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(f"device={name}: this machine has {counted(count, 'usable GPU')}; auto or cpu is accepted")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"device={name}: auto, cpu, cuda, cuda:N or mps is accepted")
    return device


def resolve_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and matrix products: `auto` takes bf16 where the hardware computes in it.

    A CPU without bf16 instructions emulates them far slower than fp32, so `auto` takes fp32 there. So it does on Arm and on a
    Mac's GPU, where nothing was measured.

    Raises:
        ValueError: a precision other than auto, fp32 and bf16.
    """
    match precision:
        case "fp32":
            return torch.float32
        case "bf16":
            return torch.bfloat16
        case "auto":
            return torch.bfloat16 if _computes_bf16(device) else torch.float32
    raise ValueError(f"precision={precision}: one of auto, fp32, bf16 is accepted")


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Public replacement: none up to torch 2.15 (torch.backends.cpu.get_cpu_capability does not report bf16).
    computes: Callable[[], bool] = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    return device.type == "cpu" and computes()


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context in which the forward pass runs; it does nothing for fp32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not torch.float32)


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move `network` to `device` with its convolution kernels in channels-last layout."""
    # Module.to is overloaded without the memory format alone beside the device.
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
