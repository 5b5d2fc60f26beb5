import fcntl
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import journal
from hydra_async_sweeper.study.storage import open_storage
from waiting import wait_for


@pytest.mark.parametrize("torn", [b'{"op_code":4,"worker_id":"abc', b"{", b'{"op_code":4}' * 1000])
def test_a_torn_last_line_is_dropped_and_nothing_else(tmp_path, torn):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.tell(study.ask(), 1.0)
    path = tmp_path / "study.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    # One process that had the journal open, and one that opens it now.
    study.tell(study.ask(), 2.0)
    again = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    again.tell(again.ask(), 3.0)
    assert [trial.value for trial in again.trials] == [1.0, 2.0, 3.0]
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_journal_that_is_whole_is_only_appended_to(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    before = (tmp_path / "study.journal").read_bytes()
    study.ask()
    assert (tmp_path / "study.journal").read_bytes().startswith(before)
    assert len((tmp_path / "study.journal").read_bytes()) > len(before)


DAMAGES = {
    "no JSON": b"\x00\x00garbage\xff",
    "no object": b"17",
    "no operation": b'{"op_code":99,"worker_id":"x"}',
    "without its fields": b'{"op_code":4,"worker_id":"x"}',
    "empty": b"",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("line", [0, 1, -1])
def test_a_damaged_line_is_named_and_nothing_is_written(tmp_path, damage, line):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.tell(study.ask(), 1.0)
    path = tmp_path / "study.journal"
    lines = path.read_bytes().splitlines()
    lines[line] = damage
    path.write_bytes(b"\n".join([*lines, b""]))
    before = path.read_bytes()
    number = range(len(lines))[line] + 1
    with pytest.raises(
        SweepError, match=rf"^{re.escape(str(path))}: line {number} is damaged; put a copy of it in its place, or"
    ):
        open_storage(None, tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("lose", "message"),
    [
        (lambda path: path.unlink(), "has gone"),
        (lambda path: path.write_bytes(b""), "has become shorter"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "has become shorter"),
    ],
)
def test_a_journal_that_is_lost_under_way_is_named(tmp_path, lose, message):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.ask()
    lose(tmp_path / "study.journal")
    with pytest.raises(SweepError, match=rf"study\.journal: {message}; put a copy of it in its place, or move its folder away"):
        study.ask()


def test_several_writers_that_find_the_lock_of_a_killed_one_write_one_after_the_other(tmp_path, monkeypatch):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    path = tmp_path / "study.journal"
    held, most = [], []

    def slowly(self, lines, append=journal.Journal._append):
        held.append(None)
        most.append(len(held))
        time.sleep(0.05)
        append(self, lines)
        held.pop()

    monkeypatch.setattr(journal.Journal, "_append", slowly)
    monkeypatch.setattr(journal, "_GRACE_SECONDS", 3)
    (tmp_path / "study.journal.lock").symlink_to(path)

    def write(_: int) -> None:
        other = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
        other.tell(other.ask(), 1.0)

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(write, range(5)))
    assert max(most) == 1
    assert [trial.value for trial in study.trials] == [1.0] * 5


def test_a_signal_while_the_lock_is_released_is_not_hidden(tmp_path, monkeypatch):
    opened = journal.Journal(tmp_path / "study.journal")
    unlink = os.unlink

    def interrupted(path: str) -> None:
        unlink(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opened.append_logs([{"op_code": 0}])
    opened.append_logs([{"op_code": 1}])
    assert [log["op_code"] for log in opened.read_logs(0)] == [0, 1]


def test_a_wait_for_a_suspended_process_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(journal, "_SLOW_SECONDS", 0.05)
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.ask()
    assert caplog.text == ""
    with ThreadPoolExecutor() as others, (tmp_path / "study.journal").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = others.submit(study.ask)
        wait_for(lambda: "study.journal: still waiting for its lock after 0.05 s" in caplog.text)
        assert not waiting.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        assert waiting.result(timeout=10).number == 1
    assert len(study.trials) == 2
