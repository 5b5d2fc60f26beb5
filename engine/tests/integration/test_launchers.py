"""The same sweep under launchers that others have written."""

import signal
import time

import psutil
import pytest
from waiting import wait_for

JOBLIB = ("hydra/launcher=joblib", "hydra.sweeper.n_jobs=2", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_trials=2")


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_workers_run_under_any_launcher(toy, launcher):
    code, output = toy.run(
        f"hydra/launcher={launcher}", "hydra.sweeper.n_jobs=2", "seconds=0.03", "hydra.sweeper.n_trials=8",
        "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2",
    )  # fmt: skip
    assert code == 0, output
    finished = [trial for trial in toy.study().trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(finished) == 8
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 8
    assert len({trial.user_attrs["lease"]["pid"] for trial in finished}) == 2


def ctrl_c(process) -> None:
    """Send what a terminal sends: a signal to each process."""
    for it in [process, *psutil.Process(process.pid).children()]:
        it.send_signal(signal.SIGINT)


def send_sigterm(process) -> None:
    """Send what `kill` sends: a signal to one process."""
    process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("interrupt", [ctrl_c, send_sigterm])
def test_joblibs_workers_finish_their_steps(toy, interrupt):
    with toy.start(*JOBLIB, "steps=100", "seconds=0.3") as process:
        wait_for(lambda: len(list((toy.folder / "sweep").glob("*/state.json"))) == 2)
        interrupt(process)
        output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert output.count("stopping after this step") == 2
    assert "continue with:" in output
    assert toy.states() == ["WAITING"] * 2
    assert all(1 <= len(trial.intermediate_values) < 100 for trial in toy.study().trials)
    assert not [trial for trial in toy.study().trials if "attempt" in trial.user_attrs]


@pytest.mark.parametrize("interrupt", [ctrl_c, send_sigterm])
def test_a_second_interruption_stops_joblibs_workers_at_once(toy, interrupt):
    with toy.start(*JOBLIB, "steps=2", "seconds=60") as process:
        wait_for(lambda: (toy.folder / "ran.txt").exists() and len(toy.ran()) == 2)
        for _ in range(2):
            interrupt(process)
            time.sleep(0.5)
        process.communicate(timeout=20)
    assert toy.states() == ["WAITING"] * 2
    assert not [trial for trial in toy.study().trials if "attempt" in trial.user_attrs]


def test_a_worker_of_joblib_that_hangs_is_killed(toy):
    with toy.start(*JOBLIB, "+hang_above=-1") as process:
        wait_for(lambda: (toy.folder / "ran.txt").exists() and len(toy.ran()) == 2)
        for _ in range(2):
            ctrl_c(process)
            time.sleep(0.5)
        process.communicate(timeout=20)
    assert process.returncode != 0
    assert toy.states() == ["RUNNING"] * 2  # as after any death
