"""The GPUs that a process started from here may use, found without starting CUDA or ROCm."""

import os
from pathlib import Path

# Where the kernel's driver for AMD GPUs lists its devices; a processor's has the id 0.
_AMD_NODES = Path("/sys/class/kfd/kfd/topology/nodes")


def visible_gpus() -> list[str]:
    """Return the ids of the visible GPUs, as `CUDA_VISIBLE_DEVICES` takes them, which ROCm reads, too."""
    masked = os.environ.get("CUDA_VISIBLE_DEVICES")
    if masked is not None:
        return [gpu.strip() for gpu in masked.split(",") if gpu.strip() not in ("", "-1")]
    return [str(index) for index in range(_num_nvidia() or _num_amd())]


def _num_nvidia() -> int:
    import pynvml

    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0


def _num_amd() -> int:
    """Return how many AMD GPUs are visible: all, or those that ROCm's own variables name."""
    for variable in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        if variable in os.environ:  # CUDA_VISIBLE_DEVICES then counts within these
            return len([gpu for gpu in os.environ[variable].split(",") if gpu.strip() not in ("", "-1")])
    return sum(node.read_text().strip() != "0" for node in _AMD_NODES.glob("*/gpu_id"))
