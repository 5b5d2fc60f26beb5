"""Optuna's journal file, mended where a writer died in the middle of a line."""

import errno
import json
import os
from typing import Any

from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import get_lock_file

from hydra_async_sweeper.study.retry import is_full_disk, wait_out


class MendedJournal(JournalFileBackend):
    """Drops a torn last line before it appends, and waits where the disk is full.

    Optuna's own backend (5.0) appends to the torn line, after which nobody can read the journal any more. Whoever holds the
    lock and finds a line without its end knows that its writer is dead, and the line was never read, so nothing is lost. To be
    removed when Optuna does so itself.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append `logs` under the journal's lock, each on a line of its own."""
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs).encode()
        wait_out(lambda: self._append(lines), is_full_disk, "the study's journal")

    def _append(self, lines: bytes) -> None:
        with get_lock_file(self._lock), open(self._file_path, "r+b", buffering=0) as file:  # noqa: PTH123 - Optuna keeps a str
            file.seek(0, os.SEEK_END)
            _drop_torn_line(file)
            end = file.tell()
            try:
                written = file.write(lines)
                os.fsync(file.fileno())
                if written < len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file_path)
            except OSError:
                file.truncate(end)  # nobody else can have read it: the lock is ours
                raise


def _drop_torn_line(file: Any) -> None:
    """Truncate `file`, which stands at its end, after its last complete line."""
    end = file.tell()
    if end == 0:
        return
    start = end
    tail = b""
    while start > 0 and b"\n" not in tail:
        step = min(4096, start)
        start -= step
        file.seek(start)
        tail = file.read(step) + tail
    kept = start + tail.rfind(b"\n") + 1
    if kept < end:
        file.truncate(kept)
    file.seek(kept)
