from types import SimpleNamespace

import psutil
import pytest
from hydra_async_sweeper import control_groups


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that writes the kernel's files of a machine with 64 cores."""
    monkeypatch.setattr(control_groups.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(control_groups, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "OF_THIS_PROCESS", tmp_path / "own")

    def write(own: str | None, **files: str) -> None:
        for path, text in ({} if own is None else {"own": own}).items():
            (tmp_path / path).write_text(text)
        for path, text in files.items():
            (tmp_path / "cgroup" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / path).write_text(f"{text}\n")

    return write


LIMITED = [
    pytest.param("0::/\n", {"cpu.max": "150000 100000", "memory.max": "1000"}, id="a container's root"),
    pytest.param(None, {"cpu.max": "150000 100000", "memory.max": "1000"}, id="without /proc"),
    pytest.param(
        "0::/slice/job/step\n",
        {
            "slice/job/step/cpu.max": "max 100000",
            "slice/job/cpu.max": "150000 100000",
            "slice/cpu.max": "800000 100000",
            "slice/job/step/memory.max": "max",
            "slice/memory.max": "1000",
        },
        id="the groups around it",
    ),
    pytest.param(
        "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n0::/\n",
        {
            "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "150000",
            "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000",
            "memory/docker/1/memory.limit_in_bytes": "1000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
        id="v1",
    ),
    pytest.param(
        "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n",
        {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000", "memory/memory.limit_in_bytes": "1000"},
        id="v1, its own group as the root",
    ),
]


@pytest.mark.parametrize(("own", "files"), LIMITED)
def test_the_limits_of_a_container_count(machine, own, files):
    machine(own, **files)
    assert control_groups.core_share() == 1.5
    assert control_groups.num_cores() == 1
    assert control_groups.memory_limit() == 1000


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (None, {}),
        ("0::/a\n", {"a/cpu.max": "max 100000", "a/memory.max": "max"}),
        ("4:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}),
        ("no line of a kernel", {"cpu.max": "", "memory.max": "\0"}),
    ],
)
def test_without_limits_the_machine_counts(machine, own, files):
    machine(own, **files)
    assert control_groups.core_share() is None
    assert control_groups.num_cores() == 64
    assert control_groups.memory_limit() is None


@pytest.mark.parametrize(("files", "left"), [({}, 8000), ({"memory.max": "7500"}, 7000), ({"memory.max": "400"}, 0)])
def test_memory_is_what_the_machine_has_left_or_the_container_beside_this_process(machine, monkeypatch, files, left):
    machine("0::/\n", **files)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8000))
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _: SimpleNamespace(rss=500))
    assert control_groups.available_memory() == left


def test_less_than_a_core_is_one(machine):
    machine("0::/\n", **{"cpu.max": "50000 100000"})
    assert control_groups.num_cores() == 1


def test_a_system_that_binds_to_no_cores(machine, monkeypatch):
    machine(None)
    monkeypatch.delattr(control_groups.os, "sched_getaffinity")
    monkeypatch.setattr(control_groups.os, "cpu_count", lambda: 8)
    assert control_groups.num_cores() == 8


def test_a_group_of_another_controller_does_not_count(machine):
    machine("4:cpuset:/a\n", **{"cpuset/a/cpu.cfs_quota_us": "1000", "cpuset/a/cpu.cfs_period_us": "1000"})
    assert control_groups.core_share() is None
