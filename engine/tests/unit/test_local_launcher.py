import os
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.launchers import child, local_launcher, memory_kills
from hydra_async_sweeper.workers.process_identity import machine, process_start
from hydra_plugins.hydra_async_sweeper.launcher import LocalLauncher


@pytest.fixture
def cores(monkeypatch):
    def set_to(number: int) -> None:
        monkeypatch.setattr(local_launcher.os, "sched_getaffinity", lambda _: set(range(number)), raising=False)

    return set_to


@pytest.fixture
def gpus(monkeypatch):
    return lambda names: monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)


@pytest.mark.parametrize(
    ("num_cores", "num_workers", "count", "threads"), [(2, None, 2, "1"), (8, 2, 2, "4"), (8, 3, 3, "2"), (2, 5, 5, "1")]
)
def test_cores_are_shared_out_without_oversubscription(cores, gpus, num_cores, num_workers, count, threads):
    cores(num_cores)
    gpus("")
    slots = local_launcher.slots(num_workers=num_workers, workers_per_gpu=1)
    assert len(slots) == count
    assert {slot.environment["OMP_NUM_THREADS"] for slot in slots} == {threads}
    assert all("CUDA_VISIBLE_DEVICES" not in slot.environment for slot in slots)


@pytest.mark.parametrize(
    ("visible", "given", "available", "count", "threads"),
    [
        ("", {}, 7.9, 3, "2"),
        ("", {}, 100.0, 8, "1"),
        ("", {}, 1.0, 1, "8"),  # it may fit after all
        ("", {"num_workers": 6}, 1, 6, "1"),
        ("0,1", {}, 1, 2, "4"),
    ],
)
def test_as_many_workers_start_as_there_is_memory_for(
    cores, gpus, monkeypatch, caplog, visible, given, available, count, threads
):
    cores(8)
    gpus(visible)
    monkeypatch.setattr(local_launcher, "available_memory", lambda: int(available * 2**30))
    caplog.set_level("INFO")
    launcher = LocalLauncher(**{"num_workers": None, "workers_per_gpu": 1, "max_restarts": 1, **given})
    launcher.keep_to_memory(int(2.5 * 2**30))
    assert launcher.num_slots == count
    assert {slot.environment["OMP_NUM_THREADS"] for slot in launcher._slots} == {threads}
    said = f"of the {available} GiB of memory a worker takes about 2.5: as with hydra.launcher.num_workers={count}"
    assert caplog.messages == ([said] if (visible, given) == ("", {}) and count < 8 else [])


@pytest.mark.parametrize(
    ("environment", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, None), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_do_not_spin_for_long_unless_the_user_says_how_they_wait(monkeypatch, cores, gpus, environment, spins):
    cores(8)
    gpus("")
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    slots = local_launcher.slots(num_workers=2, workers_per_gpu=1)
    assert {slot.environment.get("GOMP_SPINCOUNT") for slot in slots} == {spins}


@pytest.mark.parametrize(
    ("visible", "per_gpu", "num_workers", "pinned"),
    [
        ("0,1", 1, None, ["0", "1"]),
        ("3,5", 2, None, ["3", "5", "3", "5"]),
        ("0,1,2", 1, 2, ["0", "1"]),
        ("GPU-a,GPU-b", 1, 3, ["GPU-a", "GPU-b", "GPU-a"]),
    ],
)
def test_workers_are_pinned_to_the_visible_gpus(cores, gpus, visible, per_gpu, num_workers, pinned):
    cores(16)
    gpus(visible)
    slots = local_launcher.slots(num_workers=num_workers, workers_per_gpu=per_gpu)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == pinned


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": 0, "workers_per_gpu": 1}, r"^hydra\.launcher\.num_workers=0: a whole number from 1 to 10,000"),
        ({"num_workers": None, "workers_per_gpu": 0}, r"^hydra\.launcher\.workers_per_gpu=0: a whole number"),
        ({"num_workers": None, "workers_per_gpu": 2}, r"^hydra\.launcher\.workers_per_gpu=2: this machine has no visible GPU"),
    ],
)
def test_impossible_options_are_refused(gpus, options, message):
    gpus("-1")
    with pytest.raises(SweepError, match=message):
        local_launcher.slots(**options)


def test_a_start_removes_the_folders_of_launchers_that_were_killed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = machine().replace("/", ",")
    living = [
        f"hydra-async-sweeper-{os.getppid()}@{process_start(os.getppid())}@{here}@abc",
        f"hydra-async-sweeper-{os.getpid()}@1.0@{here}0@abc",  # of another container
        "hydra-async-sweeper-abc",
        "hydra-async-sweeper-me@1.0@here@x",
    ]
    dead = f"hydra-async-sweeper-{os.getpid()}@1.0@{here}@abc"
    for name in [*living, dead]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.job").touch()
    with local_launcher.own_folder() as folder:
        assert sorted(it.name for it in tmp_path.iterdir()) == sorted([*living, folder.name])
    assert sorted(it.name for it in tmp_path.iterdir()) == sorted(living)


def test_a_worker_whose_launcher_died_before_it_had_started_ends_whoever_inherited_it(tmp_path):
    command = [sys.executable, "-m", "hydra_async_sweeper.launchers.local_process", str(tmp_path / "0")]
    ended = subprocess.run([*command, str(os.getppid())], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (1, "the launcher has gone")


def test_a_process_that_starts_early_imports_what_it_will_need_and_one_without_a_job_is_ended(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    early = []
    with local_launcher.early_processes([local_launcher.Slot({})], ["no_such_module", "slow_to_import"], early):
        [waiting] = early
        deadline = time.monotonic() + 60
        while not (tmp_path / "imported").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert waiting.process.poll() is None
    assert waiting.process.poll() == -9


def test_a_job_that_cannot_be_pickled_leaves_no_process(tmp_path):
    started = child.start(tmp_path / "0", {})
    with pytest.raises(TypeError, match="pickle"):
        started.give(it for it in ())
    assert started.process.poll() == -9


class Restarted:
    """In place of a worker."""

    settings = SimpleNamespace(trial_timeout=None)


@pytest.fixture
def launch(monkeypatch, tmp_path):
    """Launch a job in each of the slots, whose processes run the programs in turn; return the launch and what jobs returned."""
    monkeypatch.setattr(memory_kills, "OF_THE_SYSTEM", tmp_path / "vmstat")
    monkeypatch.setattr(local_launcher, "Worker", Restarted)

    def run(task, num_slots, *programs):
        (tmp_path / "vmstat").write_text("nr_free_pages 5\noom_kill 3\n")
        left = list(programs)

        def start(stem, environment):  # noqa: ARG001 - as `child.start`
            process = subprocess.Popen([sys.executable, "-c", left.pop(0)], cwd=tmp_path)
            done = JobReturn(status=JobStatus.COMPLETED, _return_value=process.pid)
            return SimpleNamespace(
                process=process,
                returned=lambda: done if process.returncode == 0 else None,
                give=lambda job: None,  # noqa: ARG005
                relay=SimpleNamespace(finish=lambda: None),
            )

        monkeypatch.setattr(child, "start", start)
        jobs = [SimpleNamespace(task_function=task, index=index) for index in range(num_slots)]
        slots = [local_launcher.Slot({})] * num_slots
        returns = local_launcher._Launch(jobs, slots, max_restarts=20, folder=tmp_path, early=[]).run()
        assert left == []
        return returns

    return run


KILLED = "import os; os.kill(os.getpid(), 9)"
LACKS_MEMORY = f"open('vmstat', 'w').write('oom_kill 4'); {KILLED}"
ENDS_LATER = "import time; time.sleep(1)"


def test_where_memory_runs_out_fewer_workers_run_from_then_on(launch, caplog):
    first, second, third = launch(Restarted(), 3, LACKS_MEMORY, ENDS_LATER, ENDS_LATER)
    assert first.return_value in (second.return_value, third.return_value)  # it waited until the sweep had ended
    assert caplog.messages == [
        "the system killed a process for lack of memory; from now on as with hydra.launcher.num_workers=2"
    ]


def test_a_worker_that_was_killed_for_another_reason_is_replaced(launch, caplog):
    first, second = launch(Restarted(), 2, KILLED, ENDS_LATER, ENDS_LATER)
    assert first.return_value != second.return_value
    assert caplog.messages == []


def test_the_last_worker_is_replaced_though_memory_ran_out(launch, caplog):
    launch(Restarted(), 1, LACKS_MEMORY, "")
    assert caplog.messages == ["the system killed the only process, for lack of memory"]


def test_a_grids_job_that_was_killed_for_lack_of_memory_says_so(launch):
    failed, done = launch(None, 2, LACKS_MEMORY, ENDS_LATER)
    assert done.status is JobStatus.COMPLETED
    with pytest.raises(RuntimeError, match=r"^job 0: its process died \(SIGKILL, for lack of memory\)$"):
        _ = failed.return_value


def test_a_system_that_does_not_tell_has_killed_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(memory_kills, "OF_THE_SYSTEM", tmp_path / "none")
    assert memory_kills.count() == 0
