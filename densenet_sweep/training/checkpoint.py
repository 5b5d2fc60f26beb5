"""Checkpoint files: written whole or not at all, read without running code from them."""

import contextlib
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

import torch


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` to `path` atomically: after a crash the file holds the old state or the new one, never a part.

    Args:
        path: in an existing folder.
        state: tensors, numbers, strings and containers of them (what `torch.load(weights_only=True)` accepts).

    Raises:
        OSError: a full disk or an unwritable folder; the file at `path` is then what it was.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("xb") as file:  # readable as the umask says, which tempfile's are not
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, RuntimeError):  # torch's zip writer turns an OSError of the file into one
            raise OSError(f"{path}: the checkpoint could not be written ({_first_line(error)}); is the disk full?") from error
        raise


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, onto the CPU.

    Raises:
        CheckpointError: truncated, corrupt or no checkpoint at all.
        FileNotFoundError: no such file.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({_first_line(error)}); delete it to train from the start"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, not a checkpoint; delete it to train from the start")
    return state


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
