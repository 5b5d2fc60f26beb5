"""Where a run's numbers come from: code, machine and versions, as tags."""

import functools
import platform
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def provenance_tags(device: "torch.device") -> dict[str, str]:
    """Return the git commit and its dirtiness, the device, the host, the versions of torch and the number of threads."""
    import torch  # a sweep's own process never does, and so starts seconds sooner

    return {
        **git_tags(),
        "device.name": _device_name(device),
        "device.type": device.type,
        "host": socket.gethostname(),
        "torch.version": torch.__version__,
        "torchvision.version": version("torchvision"),
        "num_threads": str(torch.get_num_threads()),
    }


@functools.cache
def git_tags() -> dict[str, str]:
    """Return the commit of this package's checkout, or of the working folder; nothing outside of git."""
    for folder in (Path(__file__).parent, Path.cwd()):
        commit = _git(folder, "rev-parse", "HEAD")
        if commit:
            changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
            dirty = "unknown" if changes is None else str(bool(changes)).lower()
            return {"git.commit": commit, "git.dirty": dirty}
    return {}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.cache
def _device_name(device: "torch.device") -> str:
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
