"""What submitit reads of Slurm's jobs, from a `squeue` that answers what the test writes."""

from pathlib import Path

import pytest
from hydra_async_sweeper.launchers.slurm import QueueWatcher, queue_watched
from submitit.slurm.slurm import SlurmJob


@pytest.fixture
def queue(tmp_path, monkeypatch) -> Path:
    """Return the file that holds what `squeue` prints; without it, `squeue` fails."""
    answer = tmp_path / "answer"
    command = tmp_path / "bin" / "squeue"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\ncat {answer}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    return answer


@pytest.fixture
def watcher() -> QueueWatcher:
    the_watcher = QueueWatcher()
    for job in ("7", "7_0", "7_1"):  # submitit asks for an array as a whole, too
        the_watcher.register_job(job)
    return the_watcher


def is_done(watcher: QueueWatcher) -> list[bool]:
    watcher.update()
    return [watcher.is_done(job, mode="cache") for job in ("7_0", "7_1")]


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "CONFIGURING"])
def test_a_lost_job_is_none_while_another_lives(watcher, queue, state):
    queue.write_text(f"7_0 CANCELLED\n7_1 {state}\n8 RUNNING\n")
    assert is_done(watcher) == [False, False]


def test_when_all_have_ended_their_states_are_told(watcher, queue):
    queue.write_text("7_0 OUT_OF_MEMORY\n8 RUNNING\n")
    assert is_done(watcher) == [True, True]
    assert watcher.get_state("7_0", mode="cache") == "OUT_OF_MEMORY"
    assert watcher.get_state("7_1", mode="cache") == "ENDED"


def test_a_queue_that_does_not_answer_ends_nothing(watcher, queue):
    queue.write_text("7_0 RUNNING\n7_1 RUNNING\n")
    assert is_done(watcher) == [False, False]
    queue.unlink()
    assert is_done(watcher) == [False, False]
    queue.write_text("")
    assert is_done(watcher) == [True, True]


def test_jobs_that_the_queue_never_listed_are_asked_of_sacct(watcher, queue):
    queue.write_text("8 RUNNING\n")
    assert is_done(watcher) == [False, False]
    sacct = queue.parent / "bin" / "sacct"
    sacct.write_text("#!/bin/sh\necho 'JobID|State|NodeList'\necho '7_0|TIMEOUT|a'\necho '7_1|RUNNING|b'\n")
    sacct.chmod(0o755)
    assert is_done(watcher) == [True, False]


def test_submitit_is_its_own_again_afterwards():
    before = SlurmJob.watcher
    with queue_watched():
        assert isinstance(SlurmJob.watcher, QueueWatcher)
    assert SlurmJob.watcher is before


def interrupted_with(*jobs: str) -> None:
    with queue_watched():
        for job in jobs:
            SlurmJob.watcher.register_job(job)
        raise KeyboardInterrupt


def test_ctrl_c_says_which_jobs_run_on(caplog):
    with pytest.raises(KeyboardInterrupt):
        interrupted_with("12", "12_0", "12_1", "9")
    assert "scancel 9 12" in caplog.text
