import os
import random
import stat
from pathlib import Path

import pytest
import torch

from densenet_sweep.training import checkpoint

STATE = {"network": {"weight": torch.arange(6.0).view(2, 3)}, "history": [{"epoch": 1, "loss": 0.5}], "run_id": None}


def test_what_is_saved_is_loaded(tmp_path):
    checkpoint.save(tmp_path / "last.pt", STATE)
    loaded = checkpoint.load(tmp_path / "last.pt")
    assert torch.equal(loaded["network"]["weight"], STATE["network"]["weight"])
    assert loaded["history"] == STATE["history"]
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660)])
def test_the_umask_says_who_may_read(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        checkpoint.save(tmp_path / "last.pt", STATE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "last.pt").stat().st_mode) == mode


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    checkpoint.save(path, STATE)
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"network": {}})
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_torchs_own_write_error_is_an_oserror_with_the_path(tmp_path, monkeypatch):
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the code under test closes it
    monkeypatch.setattr(Path, "open", lambda *_: full)
    with pytest.raises(OSError, match=r"last\.pt|No space left"):
        checkpoint.save(tmp_path / "last.pt", STATE)
    assert list(tmp_path.iterdir()) == []


def test_the_file_before_is_kept_where_that_is_asked_for(tmp_path):
    last, previous = tmp_path / "last.pt", tmp_path / "previous.pt"
    for number in (1, 2, 3):
        checkpoint.save(last, {"number": number}, previous=previous)
    assert [checkpoint.load(path)["number"] for path in (last, previous)] == [3, 2]


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def is_refused_or_unchanged(path: Path) -> bool:
    try:
        loaded = checkpoint.load(path)
    except checkpoint.CheckpointError:
        return True
    return torch.equal(loaded.pop("network")["weight"], STATE["network"]["weight"]) and loaded == {
        key: value for key, value in STATE.items() if key != "network"
    }


def test_no_flipped_bit_changes_what_is_loaded(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, STATE)
    whole = path.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 1500):
        path.write_bytes(flipped(whole, bit))
        assert is_refused_or_unchanged(path), bit


def test_a_file_without_a_checksum_is_read_and_its_contents_are_checked(tmp_path):
    path = tmp_path / "last.pt"
    torch.save(STATE, path)  # as it was written before
    assert checkpoint.load(path)["history"] == STATE["history"]
    whole = path.read_bytes()
    numbers = whole.index(STATE["network"]["weight"].numpy().tobytes())
    for byte in range(24):
        path.write_bytes(flipped(whole, 8 * (numbers + byte)))
        with pytest.raises(checkpoint.CheckpointError, match=r"the checksum of \S+/data/0 in it is wrong"):
            checkpoint.load(path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError):
        checkpoint.load(tmp_path / "last.pt")


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, keep):
    path = tmp_path / "last.pt"
    checkpoint.save(path, STATE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(checkpoint.CheckpointError, match="not a readable checkpoint") as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "last.pt"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.load(path)
    torch.save([1, 2], path)
    with pytest.raises(checkpoint.CheckpointError, match="holds a list"):
        checkpoint.load(path)


class Payload:
    def __reduce__(self):
        return (os.mkdir, ("/nonexistent/should-never-run",))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({"network": Payload()}, tmp_path / "last.pt")
    with pytest.raises(checkpoint.CheckpointError, match="not a readable checkpoint"):
        checkpoint.load(tmp_path / "last.pt")
