import os
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
