"""Workers as jobs of a real Slurm, which this machine runs as its only node; `.ci/slurm` starts it."""

import contextlib
import importlib.util
import shutil
import signal
import subprocess
from collections.abc import Callable

import psutil
import pytest
from waiting import wait_for

pytestmark = [pytest.mark.real("slurm"), pytest.mark.timeout(600)]

SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=20")


@pytest.fixture(autouse=True)
def _slurm(unavailable: Callable[[str], None]) -> None:
    if shutil.which("sinfo") is None:
        unavailable("Slurm is not installed")
    answer = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True, timeout=30, check=False)
    if answer.stdout.strip() not in ("idle", "mix", "alloc", "comp"):
        unavailable(f"Slurm has no node that works: {answer.stdout.strip() or answer.stderr.strip()}")
    if importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        unavailable("hydra-submitit-launcher is not installed")


def jobs(state: str = "R") -> list[str]:
    """Return the ids of the jobs in a state, the elements of an array one by one."""
    listed = subprocess.run(["squeue", "-h", "-r", "-o", "%i %t"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.split()[1] == state]


def begins(job: str, time: str) -> bool:
    """Say when a job that waits shall begin, and return whether Slurm takes it."""
    words = ["scontrol", "update", f"jobid={job}", f"starttime={time}"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def processes_of(job: str) -> list[psutil.Process]:
    """Return the processes that run on this node for a job."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SLURM_JOB_ID") == job:
                found.append(process)
    return found


def test_a_sweep_runs_as_jobs_and_its_trials_are_told_here(toy):
    code, output = toy.run(*SLURM, "hydra.sweeper.n_jobs=2", "seconds=0.3", "hydra.sweeper.n_trials=6")
    assert code == 0, output
    trials = toy.study().trials
    assert [trial.state.name for trial in trials if trial.state.name != "WAITING"] == ["COMPLETE"] * 6
    assert len({trial.user_attrs["lease"]["pid"] for trial in trials if "lease" in trial.user_attrs}) == 2
    assert "trial 0 complete: " in output
    assert "trial 3 complete: " in output


def test_a_preempted_worker_is_requeued_and_continues_with_its_trial(toy):
    overrides = (*SLURM, "hydra.sweeper.n_jobs=1", "seconds=0.3", "steps=40", "hydra.sweeper.n_trials=2")
    with toy.start(*overrides) as process:
        wait_for(lambda: (toy.folder / "sweep" / "0" / "state.json").exists())
        wait_for(lambda: len(jobs()) == 1)  # those of an earlier test may still be leaving
        [job] = jobs()
        # What Slurm sends before it preempts a job or when its time is nearly over.
        subprocess.run(["scancel", "--signal=USR2", job], check=True)
        wait_for(lambda: jobs("PD"))
        # Slurm ends what is left of the preempted job by a number that the job keeps when it begins again, so first all of that
        # must be gone. Slurm itself would wait two minutes; it takes no other time before it has written the end down.
        wait_for(lambda: begins(job, "now+3600"))
        wait_for(lambda: not processes_of(job))
        assert toy.states() == ["WAITING"]
        reported = len(toy.study().trials[0].intermediate_values)
        assert begins(job, "now+3")
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    trials = toy.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 2
    assert 1 <= reported < 40
    assert trials[0].user_attrs["first_step"] > 1
    assert len(trials[0].intermediate_values) == 40
    assert "attempt" not in trials[0].user_attrs  # leaving in order is no death


def test_ctrl_c_leaves_the_jobs_to_slurm(toy):
    with toy.start(*SLURM, "hydra.sweeper.n_jobs=2", "seconds=0.3", "steps=60", "hydra.sweeper.n_trials=4") as process:
        wait_for(lambda: len(jobs()) == 2 and (toy.folder / "sweep" / "1" / "state.json").exists())
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    [number] = {job.partition("_")[0] for job in jobs()}
    assert f"scancel {number}\n" in output
    assert toy.states() == ["RUNNING"] * 2
    subprocess.run(["scancel", number], check=True)
    wait_for(lambda: not jobs())


def test_a_cancelled_worker_does_not_end_the_study(toy):
    overrides = (*SLURM, "hydra.sweeper.n_jobs=2", "seconds=0.3", "steps=5", "hydra.sweeper.n_trials=8")
    with toy.start(*overrides) as process:
        wait_for(lambda: len(jobs()) == 2 and (toy.folder / "sweep" / "1" / "state.json").exists())
        subprocess.run(["scancel", jobs()[-1]], check=True)
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    trials = [trial for trial in toy.study().trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 8
    completed = [trial for trial in trials if trial.user_attrs.get("first_step", 1) > 1]
    assert len(toy.ran()) in (8, 9)  # one trial was continued, unless the worker was between two
    assert len(completed) == len(toy.ran()) - 8


def test_where_the_only_worker_is_cancelled_another_is_launched(toy):
    overrides = (*SLURM, "hydra.sweeper.n_jobs=1", "seconds=0.3", "steps=5", "hydra.sweeper.n_trials=3")
    with toy.start(*overrides) as process:
        wait_for(lambda: (toy.folder / "sweep" / "1" / "state.json").exists())
        subprocess.run(["scancel", *jobs()], check=True)
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "workers were lost (" in output
    assert "(state: CANCELLED)" in output
    assert "accounting" not in output
    trials = [trial for trial in toy.study().trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert len({trial.user_attrs["lease"]["pid"] for trial in trials}) == 2
