"""A study's journal: Optuna's format, one JSON object a line, read and written so that no damage goes unnoticed."""

import errno
import json
import logging
import os
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.optuna_private import attribute_code, restore, trial_ids
from hydra_async_sweeper.study import snapshot
from hydra_async_sweeper.study.retry import is_full_disk, wait_out
from hydra_async_sweeper.study.storage import WAYS_ON
from hydra_async_sweeper.trial import LEASE
from hydra_async_sweeper.workers.claim import is_due

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

# How long to wait for the lock of a killed process; a live one holds it for milliseconds.
_GRACE_SECONDS = 5
# After which the wait for the lock of a live one is logged.
_SLOW_SECONDS = 10.0

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

log = logging.getLogger("hydra_async_sweeper")


def open_journal(path: Path) -> JournalStorage:
    """Return the storage in the journal at `path`, which is created if missing.

    Raises:
        SweepError: a line is damaged; the message names the file and the line.
        OSError: the file cannot be read or made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal(path)
    try:
        return LeasingJournal(journal)
    except SweepError:
        raise
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError):  # JSON, but no valid operation at this point
        raise journal.damaged() from None


class _Lock(JournalFileSymlinkLock):
    """Optuna's lock, whose release does not hide a signal's exception.

    Optuna (5.0) then removes a file that may be gone already, and the error of that would take the place of the exception: a
    preempted worker failed with it instead of leaving.
    """

    def release(self) -> None:
        """Give the lock back."""
        try:
            super().release()
        except FileNotFoundError as error:
            raise (error.__context__ or error) from None


class Journal(BaseJournalBackend):
    """Drops a torn last line before it appends, refuses any other damage, and waits while the disk is full.

    Optuna's own backend (5.0) appends to the torn line, which makes the journal unreadable, and skips a complete last line
    that is not JSON. A torn line found under the lock has a dead writer and was never read, so nothing is lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _Lock(str(path), grace_period=_GRACE_SECONDS)
        self._num_lines, self._offset = 0, 0  # what has been read
        self._num_saved = 0  # how many of the lines the snapshot holds
        path.touch()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the operations from number `log_number_from` on.

        Raises:
            SweepError: a line is no operation.
        """
        if log_number_from != self._num_lines:
            self._num_lines, self._offset = 0, 0
        with self._opened("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # it is being written, or its writer is dead
                    return
                self._num_lines += 1
                self._offset += len(line)
                try:
                    log = json.loads(line)
                except ValueError:
                    raise self.damaged() from None
                if not isinstance(log, dict):
                    raise self.damaged()
                if self._num_lines > log_number_from:
                    yield log

    def load_snapshot(self) -> Any:
        """Return the records of the journal's snapshot, which counts as read; None without one."""
        found = snapshot.load(self._path)
        if found is None:
            return None
        self._num_lines, self._offset, self._num_saved = found.num_lines, found.num_bytes, found.num_lines
        return found.records

    def save_snapshot(self, records: Any) -> None:
        """Write what the lines read so far give, if they are many more than those of the last snapshot."""
        if self._num_lines - self._num_saved >= snapshot.LINES:
            snapshot.save(self._path, snapshot.Snapshot(self._num_lines, self._offset, records))
            self._num_saved = self._num_lines

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append `logs` under the journal's lock, each on a line of its own."""
        self.append_if(lambda: True, logs)

    def append_if(self, is_wanted: Callable[[], bool], logs: list[dict[str, Any]]) -> None:
        """Append `logs` if `is_wanted`, which is called under the lock and may read the journal."""
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs).encode()

        def append() -> None:
            with self._locked():
                if is_wanted():
                    self._append(lines)

        wait_out(append, is_full_disk, "the study's journal")

    def damaged(self) -> SweepError:
        """Return the error that names the line that was read last."""
        return SweepError(f"{self._path}: line {self._num_lines} is damaged; {WAYS_ON}")

    def _opened(self, mode: str) -> IO[bytes]:
        """Open the file, and refuse one that is shorter than the part already read.

        Writing is unbuffered, so that a full disk shows at once; lines of an unbuffered file would be read byte by byte.
        """
        try:
            file: IO[bytes] = self._path.open(mode, buffering=-1 if mode == "rb" else 0)
        except FileNotFoundError:
            raise SweepError(f"{self._path}: has gone; {WAYS_ON}") from None
        if os.fstat(file.fileno()).st_size < self._offset:
            file.close()
            raise SweepError(f"{self._path}: has become shorter; {WAYS_ON}")
        return file

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the kernel's lock, which ends with its process, and inside it Optuna's.

        With Optuna's alone (5.0), each process that waits for a killed one's lock would release it after its wait, even if
        another has released and taken it meanwhile; two writers at once would damage the journal.
        """
        with self._opened("rb") as file:
            with suppress(OSError):  # a file system without such locks
                if fcntl is not None:
                    self._wait_for_kernels_lock(file)
            self._lock.acquire()
            try:
                yield
            finally:
                self._lock.release()

    def _wait_for_kernels_lock(self, file: IO[bytes]) -> None:
        """Take it; a wait that is long is logged, as its holder may be suspended.

        It is not taken from one that is: it would write where the journal ended when it was stopped.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = "%s: still waiting for its lock after %g s; is the process that holds it suspended?"
            slow = threading.Timer(_SLOW_SECONDS, log.warning, (message, self._path, _SLOW_SECONDS))
            slow.daemon = True
            slow.start()
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            finally:
                slow.cancel()

    def _append(self, lines: bytes) -> None:
        with self._opened("r+b") as file:
            file.seek(0, os.SEEK_END)
            _drop_torn_line(file)
            end = file.tell()
            try:
                written = file.write(lines)
                os.fsync(file.fileno())
                if written < len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            except OSError:
                file.truncate(end)  # nobody else can have read it: the lock is ours
                raise


class LeasingJournal(JournalStorage):
    """Optuna's storage in a journal, in which a lease is set only if it is due, and lists of trials are kept.

    Optuna (5.0) builds such a list at every call, several times a trial.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lists: dict[int, _Trials] = {}
        super().__init__(journal)
        self._journal.save_snapshot(self._replay_result)

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Begin to read the journal anew, in another process."""
        super().__setstate__({**state, "_lists": {}})

    def _sync_with_backend(self) -> None:
        if self._replay_result.log_number_read == 0 and (records := self._journal.load_snapshot()) is not None:
            restore(self, records)
        super()._sync_with_backend()

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the study's trials by number, as Optuna's own does; without `deepcopy` only changed ones are looked up.

        Raises:
            KeyError: there is no such study.
        """
        if deepcopy:
            return super().get_all_trials(study_id, deepcopy, states)
        with self._thread_lock:
            self._sync_with_backend()
            self._replay_result.get_study(study_id)
            kept = self._lists.setdefault(study_id, _Trials())
            kept.read(self._replay_result.get_trial, trial_ids(self, study_id))
            return kept.in_states(states)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set the attribute; a lease only if it `is_due` after all earlier writes."""
        if key != LEASE:
            super().set_trial_user_attr(trial_id, key, value)
            return

        def is_wanted() -> bool:
            self._sync_with_backend()
            return is_due(self._replay_result.get_trial(trial_id).user_attrs.get(LEASE), value)

        # What `JournalStorage._write_log` (5.0) writes.
        operation = {"op_code": attribute_code(), "worker_id": self._replay_result.worker_id}
        with self._thread_lock:
            self._journal.append_if(is_wanted, [{**operation, "trial_id": trial_id, "user_attr": {key: value}}])
            self._sync_with_backend()


class _Trials:
    """The trials of one study, by number."""

    def __init__(self) -> None:
        self._trials: list[FrozenTrial] = []
        self._unfinished: list[int] = []

    def read(self, get_trial: Callable[[int], FrozenTrial], ids: Sequence[int]) -> None:
        """Look up the trials that were unfinished at the last call, and new ones, by their ids, which are in order."""
        numbers = [*self._unfinished, *range(len(self._trials), len(ids))]
        self._trials += [get_trial(trial_id) for trial_id in ids[len(self._trials) :]]
        self._unfinished = []
        for number in numbers:
            self._trials[number] = trial = get_trial(ids[number])
            if not trial.state.is_finished():
                self._unfinished.append(number)

    def in_states(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Return a new list of the trials in `states`; None accepts any."""
        if states is None:
            return self._trials.copy()
        if not any(state in states for state in _FINISHED):
            return [trial for number in self._unfinished if (trial := self._trials[number]).state in states]
        return [trial for trial in self._trials if trial.state in states]


def _drop_torn_line(file: IO[bytes]) -> None:
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
