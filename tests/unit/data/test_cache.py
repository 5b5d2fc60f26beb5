"""Decoded data sets in files that all processes of a machine map."""

import errno
import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from densenet_sweep.data.cache import FOLDER, Decoding, file_name, load_or_decode
from densenet_sweep.data.images import Images

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 3, 5, 4), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2, 1]
NAME = file_name("some", 1)


class Decoder:
    """Decodes PIXELS in blocks of two, and counts how often."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self) -> Decoding:
        self.num_calls += 1
        return Decoding(("a", "b", "ü"), LABELS, PIXELS.shape[1:], self.blocks)

    def blocks(self) -> Iterator[np.ndarray]:
        for start in range(0, len(PIXELS), 2):
            yield PIXELS[start : start + 2]


@pytest.fixture
def decoder() -> Decoder:
    return Decoder()


def is_whole(found) -> bool:
    images = Images(torch.from_numpy(PIXELS), torch.tensor(LABELS))
    return found.class_names == ("a", "b", "ü") and found.images.digest == images.digest


def test_a_data_set_is_decoded_once_into_a_file_that_numpy_reads(tmp_path, decoder, user_cache):
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))
    found = load_or_decode(NAME, tmp_path, decoder)
    assert is_whole(found)
    assert (decoder.num_calls, found.remark) == (1, "")
    assert np.array_equal(np.load(tmp_path / FOLDER / NAME, mmap_mode="r"), PIXELS)
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {NAME, "lock"}
    assert not user_cache.exists()
    load_or_decode(file_name("some", 2), tmp_path, decoder)
    assert decoder.num_calls == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of a process's mappings")
def test_the_pixels_are_the_file_itself_and_nothing_is_copied(tmp_path, decoder):
    load_or_decode(NAME, tmp_path, decoder)
    images = load_or_decode(NAME, tmp_path, decoder).images.select(torch.tensor([1, 4]))
    [mapping] = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(NAME)]
    first, last = (int(number, 16) for number in mapping.split()[0].split("-"))
    assert first <= images.pixels_MCHW.data_ptr() < last
    assert mapping.split()[1] == "r--s"  # read-only and shared


@pytest.mark.parametrize("keep", [0, 1, 100, 130, 500, -1])
def test_a_file_that_was_cut_is_decoded_again(tmp_path, decoder, keep):
    load_or_decode(NAME, tmp_path, decoder)
    path = tmp_path / FOLDER / NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))
    assert (decoder.num_calls, path.read_bytes()) == (2, whole)


@pytest.mark.parametrize(
    ("old", "new"), [(b"NUMPY", b"PK\3\4."), (b"|u1", b"|i1"), (b"(7,", b"(6,"), (b'"labels"', b'"level_"')]
)
def test_so_is_one_whose_frame_was_damaged(tmp_path, decoder, old, new):
    load_or_decode(NAME, tmp_path, decoder)
    path = tmp_path / FOLDER / NAME
    path.write_bytes(path.read_bytes().replace(old, new))
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))
    assert decoder.num_calls == 2


def test_so_is_one_in_which_a_bit_was_flipped(tmp_path, decoder):
    load_or_decode(NAME, tmp_path, decoder)
    path = tmp_path / FOLDER / NAME
    whole = path.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 300):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert is_whole(load_or_decode(NAME, tmp_path, decoder)), bit


def test_a_remark_says_that_a_file_was_damaged(tmp_path, decoder):
    assert load_or_decode(NAME, tmp_path, decoder).remark == ""
    path = tmp_path / FOLDER / NAME
    whole = path.read_bytes()
    path.write_bytes(whole.replace(PIXELS.tobytes(), (PIXELS + 1).tobytes()))
    assert load_or_decode(NAME, tmp_path, decoder).remark == f"{path}: was damaged, and is decoded anew"
    assert path.read_bytes() == whole
    assert load_or_decode(NAME, tmp_path, decoder).remark == ""
    assert decoder.num_calls == 2


def test_a_file_of_an_older_version_has_no_checksum_and_is_taken_as_it_is(tmp_path, decoder):
    load_or_decode(NAME, tmp_path, decoder)
    path = tmp_path / FOLDER / NAME
    frame = path.read_bytes().rindex(b"{")
    whole = path.read_bytes()
    about = json.loads(whole[frame:])
    del about["crc32"]
    path.write_bytes(whole[:frame] + json.dumps(about).encode())
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))
    assert decoder.num_calls == 1


def test_where_the_data_root_cannot_be_written_the_users_cache_is(tmp_path, decoder, user_cache):
    (tmp_path / FOLDER).touch()  # root, who runs tests in containers, may write everywhere
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))
    assert is_whole(load_or_decode(NAME, tmp_path / "nothing", decoder))
    assert decoder.num_calls == 1
    assert (user_cache / NAME).exists()
    assert not (tmp_path / "nothing").exists()


def test_where_nothing_can_be_written_memory_holds_it_and_a_remark_says_why(tmp_path, decoder, user_cache):
    (tmp_path / FOLDER).touch()
    user_cache.touch()
    found = load_or_decode(NAME, tmp_path, decoder)
    assert is_whole(found)
    for part in (str(tmp_path / FOLDER), str(user_cache), "File exists", "memory of each process"):
        assert part in found.remark
    assert "\n" not in found.remark


def test_a_disk_that_gets_full_leaves_nothing_behind(tmp_path, decoder, user_cache, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    found = load_or_decode(NAME, tmp_path, decoder)
    assert is_whole(found)
    assert "No space left on device" in found.remark
    assert [path.name for folder in (tmp_path / FOLDER, user_cache) for path in folder.iterdir()] == ["lock", "lock"]


def test_a_disk_with_too_little_room_is_not_filled(tmp_path, decoder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": PIXELS.nbytes - 1}))
    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", None)
    found = load_or_decode(NAME, tmp_path, decoder)
    assert is_whole(found)
    assert "No space left on device" in found.remark


def test_what_fits_nowhere_is_refused_in_one_line(tmp_path, decoder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    monkeypatch.setattr(os, "sysconf", lambda _: 1)
    with pytest.raises(
        OSError, match=r"^the decoded images \(0 MiB\) fit neither into memory nor into a file \(/.*No space left"
    ):
        load_or_decode(NAME, tmp_path, decoder)


def test_a_decoding_that_fails_leaves_nothing_behind(tmp_path, decoder):
    def broken() -> Iterator[np.ndarray]:
        yield PIXELS[:2]
        raise ValueError("broken.png")

    with pytest.raises(ValueError, match=r"broken\.png"):
        load_or_decode(NAME, tmp_path, lambda: Decoding(("a",), LABELS, PIXELS.shape[1:], broken))
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["lock"]
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))


def test_of_several_that_start_at_once_one_decodes(tmp_path, decoder):
    everybody = threading.Barrier(4)

    def slowly() -> Decoding:
        time.sleep(0.1)
        return decoder()

    def start(_: int) -> bool:
        everybody.wait()
        return is_whole(load_or_decode(NAME, tmp_path, slowly))

    # The lock belongs to an open file, so threads stand for processes.
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(start, range(4)))
    assert decoder.num_calls == 1


def test_without_locks_each_decodes_into_a_file_of_its_own(tmp_path, decoder, monkeypatch):
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", none)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "another's.partial").touch()
    assert is_whole(load_or_decode(NAME, tmp_path, decoder))
    assert (tmp_path / FOLDER / "another's.partial").exists()


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, decoder):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{NAME}.0.partial").touch()
    load_or_decode(NAME, tmp_path, decoder)
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {NAME, "lock"}


def test_what_nobody_used_for_a_month_makes_room_for_another(tmp_path, decoder):
    names = [file_name("some", number) for number in range(4)]
    for name in names[:3]:
        load_or_decode(name, tmp_path, decoder)
    month_ago = time.time() - 31 * 24 * 3600
    for name in names[:2]:
        os.utime(tmp_path / FOLDER / name, (month_ago, month_ago))
    mapped = load_or_decode(names[1], tmp_path, decoder)  # a use
    load_or_decode(names[3], tmp_path, decoder)
    assert {path.name for path in (tmp_path / FOLDER).glob("*.npy")} == {*names[1:]}
    assert is_whole(mapped)
