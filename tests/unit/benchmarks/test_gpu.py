"""The process that runs the steps, with steps that fail, die and hang."""

import json
import sys

import gpu
import pytest

WORKER = """
import os, sys, time, types
sys.path.insert(0, {benchmarks!r})
import dataclasses

@dataclasses.dataclass
class Row:
    what: str
    value: float | None = None
    unit: str = ""
    note: str = ""

def good(size):
    yield Row("fast", 2.0, "times", size)

def wrong(_):
    yield Row("half of it", 1.0)
    raise ValueError("no\\nluck")

def dies(_):
    print("out of luck", file=sys.stderr, flush=True)
    os._exit(7)

def hangs(_):
    time.sleep(600)
    yield

steps = types.ModuleType("gpu_steps")
steps.STEPS, steps.REHEARSAL, steps.FULL = {{"good": good, "wrong": wrong, "dies": dies, "hangs": hangs}}, "tiny", "full"
sys.modules["gpu_steps"] = steps
sys.modules["torch"] = types.SimpleNamespace(cuda=types.SimpleNamespace(is_available=lambda: False))
import gpu
gpu.main()
"""


@pytest.fixture(autouse=True)
def _worker(tmp_path, monkeypatch, project):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(benchmarks=str(project / "benchmarks")))
    monkeypatch.setattr(gpu, "WORKER", (sys.executable, str(script)))


def rows(names, *, seconds=100.0, step_seconds=50.0):
    found = gpu.rows(names, until=gpu.time.monotonic() + seconds, step_seconds=step_seconds, rehearse=True)
    return [(row["step"], row["status"], row["note"]) for row in found]


def test_what_fails_is_a_row_and_the_next_step_runs():
    assert rows(["wrong", "dies", "good"]) == [
        ("wrong", "ok", ""),
        ("wrong", "failed", "ValueError: no luck"),
        ("dies", "failed", "the process ended with 7: out of luck"),
        ("good", "ok", "tiny"),
    ]


def test_what_hangs_is_ended_and_the_next_step_runs():
    assert rows(["hangs", "good"], step_seconds=1.5)[:2] == [("hangs", "failed", "ended after 1.5 s"), ("good", "ok", "tiny")]


def test_what_there_is_no_time_for_is_said():
    late = "the time was up"
    assert rows(["hangs", "good"], seconds=1.0) == [("hangs", "late", late), ("good", "late", late)]


def test_a_worker_that_does_not_start_fails_each_step_once(monkeypatch):
    monkeypatch.setattr(gpu, "WORKER", (sys.executable, "-c", "raise SystemExit('no torch')"))
    reason = "the process ended with 1: no torch"
    assert rows(["good", "wrong"]) == [("good", "failed", reason), ("wrong", "failed", reason)]


def test_both_files_are_whole_after_each_row(tmp_path):
    results = gpu.Results(tmp_path / "a" / "b", {"device": "H100", "rehearsal": False, "commit": None})
    for number in (1, 2):
        results.add({"step": "s", "status": "ok", "what": "w", "value": 1234.5, "unit": "images/s", "note": ""})
        assert len(json.loads((results.folder / "gpu.json").read_text())["rows"]) == number
    assert (results.folder / "gpu.txt").read_text().splitlines()[0] == "device H100"
    assert "1,234 images/s" in (results.folder / "gpu.txt").read_text()
