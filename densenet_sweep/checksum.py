"""Checksums of files, which say whether a disk or a copy has changed them; CRC-32, as zlib computes it at 1 to 3 GB/s."""

import errno
import struct
import zipfile
import zlib
from typing import IO

_BLOCK_BYTES = 2**20


def crc32(file: IO[bytes], num_bytes: int) -> int:
    """Return the checksum of the first `num_bytes` of `file`, which is left behind them."""
    file.seek(0)
    checksum = 0
    while num_bytes > 0 and (block := file.read(min(num_bytes, _BLOCK_BYTES))):
        checksum = zlib.crc32(block, checksum)
        num_bytes -= len(block)
    return checksum


def check_archive(file: IO[bytes]) -> None:
    """Check a zip archive, such as those of torch, by the checksums of its members.

    Raises:
        ValueError: it is damaged, or no such archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except OSError as error:  # a place before the file's beginning
        if error.errno != errno.EINVAL:
            raise
        raise ValueError(error.strerror) from error
    # What else the module raises for an index of nonsense.
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, zlib.error, struct.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} in it is wrong")
