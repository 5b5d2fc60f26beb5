"""Checkpoint files: written atomically, checked for damage, and read without running code from them.

A file is the zip archive that `torch.save` writes, with a CRC-32 of everything before it as the archive's comment. The
archive's own checksums, which `torch.load` ignores, do not cover its index: a flipped bit there can change a tensor's numbers.
"""

import contextlib
import errno
import os
import pickle
import re
import struct
import uuid
from pathlib import Path
from typing import IO, Any

import torch

from densenet_sweep.checksum import check_archive, crc32

_CHECKSUM = re.compile(rb"crc32:([0-9a-f]{8})")
_CHECKSUM_LENGTH = len(b"crc32:00000000")


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used."""


def save(path: Path, state: dict[str, Any], *, previous: Path | None = None) -> None:
    """Write `state` to `path` atomically: after a crash the file holds the old state or the new one, never a part.

    Args:
        path: in an existing folder.
        state: tensors, numbers, strings and containers of them (what `torch.load(weights_only=True)` accepts).
        previous: where to move the file that was at `path`. After a crash between the two steps only this one exists.

    Raises:
        OSError: a full disk or an unwritable folder; the file at `path` is then unchanged.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("x+b") as file:  # permissions follow the umask, unlike tempfile's
            torch.save(state, file)
            _append_checksum(file)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None:
            with contextlib.suppress(FileNotFoundError):
                path.replace(previous)
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, RuntimeError):  # torch's zip writer turns an OSError of the file into one
            raise OSError(f"{path}: the checkpoint could not be written ({_first_line(error)}); is the disk full?") from error
        raise


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, onto the CPU; a file older than our checksums is checked by its archive's.

    Raises:
        CheckpointError: truncated, damaged or no checkpoint at all.
        FileNotFoundError: no such file.
        OSError: no permission to read it.
    """
    try:
        with path.open("rb") as file:
            _check(file)
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise CheckpointError(f"{path}: the disk cannot read it ({error.strerror})") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({_first_line(error)})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, not a checkpoint")
    return state


def _append_checksum(file: IO[bytes]) -> None:
    """Append the checksum to the archive in `file` as its comment; an archive without one ends in the comment's length, 0."""
    file.seek(-2, os.SEEK_END)
    file.write(struct.pack("<H", _CHECKSUM_LENGTH))
    file.write(b"crc32:%08x" % crc32(file, file.tell()))


def _check(file: IO[bytes]) -> None:
    """Raise ValueError if the contents of `file` are not what was written."""
    num_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, num_bytes - _CHECKSUM_LENGTH))
    end = file.read()
    found = _CHECKSUM.fullmatch(end)
    if found is None and end.endswith(b"\0\0"):  # the length of no comment: written by an older version
        check_archive(file)
    elif found is None:
        raise ValueError("its end is missing or damaged")
    elif crc32(file, num_bytes - _CHECKSUM_LENGTH) != int(found[1], 16):
        raise ValueError("its checksum is wrong")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
