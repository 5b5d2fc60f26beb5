"""Whether a config's network fits into this machine: estimated from the config alone, before torch is imported.

The estimate is a lower bound, so a refused network could not have run. A trial on another machine is checked there.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra_async_sweeper.application import memory_limit

from densenet_sweep.architectures import geometry, size
from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.schema import (
    ArchitectureConfig,
    Config,
    ConfigError,
    DenseNetConfig,
    ResNetConfig,
    SmallResNetConfig,
)
from densenet_sweep.counts import counted
from densenet_sweep.data.known import facts

_GIB = 2**30
_FP32_BYTES = 4

# Linux has one of these wherever CUDA or ROCm can be used: NVIDIA's, AMD's, Tegra's and WSL's.
_GPU_FILES = ("dev/nvidia*", "dev/kfd", "dev/nvmap", "dev/nvhost-gpu", "dev/dxg")


def check_fits(config: Config, *, trains: bool = True, memory_bytes: int | None = None) -> None:
    """Refuse a network that this machine cannot hold.

    Args:
        config: checked.
        trains: count what a training step keeps; otherwise the weights and the forward pass of one image.
        memory_bytes: of the machine; by default that of its processor or its largest GPU, whichever is more.

    Raises:
        ConfigError: it needs more.
    """
    found = network_size(config.architecture, config.data)
    if found is None:
        return
    trains = trains and _is_ever_unfrozen(config)
    available = memory_bytes if memory_bytes is not None else machine_memory(config.device)
    taken = _bytes_of(found, config, trains=trains)
    if taken > available:
        batch = _batch_size(config.data, config.batch_size)
        at = f", at batch_size={batch} and data.image_size={config.data.image_size}," if trains else ""
        raise ConfigError(
            f"architecture: {_weights(found.num_parameters)}{at} take at least {_gib(taken)}"
            f"{' in training' if trains else ''}; this machine has {_gib(available)} of memory"
        )


def training_bytes(config: Config) -> int:
    """Return the bytes of memory that a training of the config takes at least, beside its images; 0 where that is unknown."""
    found = network_size(config.architecture, config.data)
    return 0 if found is None else _bytes_of(found, config, trains=_is_ever_unfrozen(config))


def _is_ever_unfrozen(config: Config) -> bool:
    """Return whether all parts are trained at some time; a lower bound: what is frozen keeps nothing for a backward pass."""
    return config.finetune.freeze == "none" or config.finetune.unfreeze_after is not None


def _bytes_of(found: size.Size, config: Config, *, trains: bool) -> int:
    copies = 2 + (config.optimizer.states_per_weight or 0) if trains else 1
    copies += config.ema_decay is not None and trains
    batch = _batch_size(config.data, config.batch_size) if trains else 1
    # Autocast to bf16 may halve what is kept, and `auto` may choose it.
    of_activation = _FP32_BYTES if config.precision == "fp32" else _FP32_BYTES // 2
    return _FP32_BYTES * found.num_parameters * copies + found.num_activations * batch * of_activation


def fits(config: Config) -> bool:
    """Return whether `check_fits` accepts `config`."""
    try:
        check_fits(config)
    except ConfigError:
        return False
    return True


def network_size(architecture: ArchitectureConfig, data: DataConfig) -> size.Size | None:
    """Return how large a network for the data set is; None for an architecture that is not ours.

    Raises:
        ValueError: a transition that would keep no channel, or an impossible depth.
    """
    if not isinstance(architecture, DenseNetConfig | ResNetConfig | SmallResNetConfig):
        return None
    common: dict[str, Any] = {
        "in_channels": architecture.in_channels or data.num_channels,
        "num_classes": architecture.num_classes or data.num_classes or 1,
        "image_size": data.image_size,
    }
    if isinstance(architecture, SmallResNetConfig):
        return size.resnet(
            **common,
            num_blocks=geometry.blocks_of_a_stage(architecture.depth),
            width=architecture.width,
            shortcut=architecture.shortcut,
            pre_activation=architecture.pre_activation,
        )
    if isinstance(architecture, ResNetConfig):
        return size.resnet18(**common, stem=architecture.stem)
    return size.densenet(
        **common,
        stem=architecture.stem,
        growth_rate=architecture.growth_rate,
        block_config=geometry.block_config(
            depth=architecture.depth, block_config=architecture.block_config, bottleneck=architecture.bn_size is not None
        ),
        num_init_features=architecture.num_init_features,
        bn_size=architecture.bn_size,
        compression=architecture.compression,
        conv_bias=architecture.conv_bias,
        memory_efficient=architecture.memory_efficient,
    )


def machine_memory(device: str) -> int:
    """Return the bytes of memory of this machine, or of its largest GPU if that is more and `device` may be a GPU.

    A container or a job may use less than the machine has.
    """
    import psutil

    installed = int(psutil.virtual_memory().total)
    return max([min(installed, memory_limit() or installed), *([] if device == "cpu" else _gpu_memories())])


def check_device(device: str) -> None:
    """Refuse a GPU that this machine does not have.

    Raises:
        ConfigError: it has none.
        ValueError: torch cannot use it.
    """
    if device == "mps" and sys.platform != "darwin":
        raise ConfigError("device=mps: only a Mac has it; auto or cpu is accepted")
    if not device.startswith(("cuda", "mps")):
        return
    if sys.platform == "linux" and not any(any(Path("/").glob(pattern)) for pattern in _GPU_FILES):
        raise ConfigError(f"device={device}: this machine has no usable GPU; auto or cpu is accepted")
    from densenet_sweep.training.precision import resolve_device  # only torch knows which GPUs can be used

    resolve_device(device)


def _gpu_memories() -> Iterator[int]:
    import pynvml

    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return
    try:
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            yield int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(index)).total)
    except pynvml.NVMLError:
        return


def _batch_size(data: DataConfig, batch_size: int) -> int:
    """Return how many images a step takes at most: a batch, or all of a data set that is smaller."""
    known = facts(data._target_)
    there_are = [data.num_train, known.num_images if known else None]
    return min(number for number in (batch_size, *there_are) if number is not None)


def _gib(num_bytes: int) -> str:
    return f"{_shown(round(num_bytes / _GIB, 1) if num_bytes < 2**60 else num_bytes // _GIB)} GiB"


def _weights(number: int) -> str:
    return counted(number, "weight") if number < 10**12 else f"{number:.2g} weights"


def _shown(number: float) -> str:
    """Return a count in full, or a very large one by its power of ten."""
    return f"{number:,}" if number < 10**12 else f"{number:.2g}"
