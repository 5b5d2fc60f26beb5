"""A sweep whose processes are interrupted, killed or frozen, on an application that is not ours."""

import fcntl
import signal
import time
from contextlib import suppress

import psutil
import pytest
from waiting import wait_for


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interruption_finishes_the_step_and_the_same_command_continues(toy, number):
    overrides = ("steps=40", "seconds=0.1", "hydra.sweeper.n_trials=1")
    with toy.start(*overrides) as process:
        while not (toy.folder / "sweep" / "0" / "state.json").exists():
            time.sleep(0.05)
        process.send_signal(number)
        output, _ = process.communicate(timeout=200)
    assert process.returncode == -signal.SIGINT  # by Ctrl-C, which ends a shell's loop, too
    assert "stopping after this step" in output
    assert output.rstrip().endswith(
        "python application.py steps=40 seconds=0.1 hydra.sweeper.n_trials=1"
    )  # no traceback hides it
    assert "continue with:" in output
    assert toy.states() == ["WAITING"]
    reported = len(toy.study().trials[0].intermediate_values)
    assert 1 <= reported < 40
    code, output = toy.run(*overrides)
    assert code == 0, output
    [trial] = toy.study().trials
    assert trial.state.name == "COMPLETE"
    assert trial.user_attrs["first_step"] == reported + 1
    assert len(trial.intermediate_values) == 40


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_user_leaves_the_trial_in_the_queue(toy, number):
    with toy.start("steps=40", "seconds=0.2", "hydra.sweeper.n_trials=1") as process:
        wait_for(lambda: (toy.folder / "sweep" / "0" / "state.json").exists())
        for _ in range(100):
            process.send_signal(number)
            time.sleep(0.002)
        process.communicate(timeout=200)
    assert process.returncode != 0
    assert toy.states() == ["WAITING"]
    assert "attempt" not in toy.study().trials[0].user_attrs


def test_a_killed_worker_loses_nothing(toy):
    code, _ = toy.run("die_at=2", "hydra.sweeper.n_trials=3")
    assert code == -signal.SIGKILL
    assert toy.states() == ["RUNNING"]
    code, output = toy.run("die_at=2", "hydra.sweeper.n_trials=3")
    assert code == 0, output
    trials = toy.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert trials[0].user_attrs["attempt"] == 1
    assert trials[0].user_attrs["first_step"] == 2
    assert [number for number, *_ in toy.ran()] == ["0", "0", "1", "2"]


def test_a_trial_whose_workers_keep_dying_fails_with_its_reason(toy):
    overrides = ("die_at=1", "hydra.sweeper.n_trials=1", "hydra.sweeper.max_retries=0")
    toy.run(*overrides)
    code, output = toy.run(*overrides)
    assert code == 0, output
    assert toy.states() == ["FAIL", "COMPLETE"]
    assert "its worker died once" in toy.study().trials[0].user_attrs["reason"]


def test_a_task_that_exits_costs_its_attempts_and_neither_the_worker_nor_the_sweep(toy):
    exits = ("x=choice(0.25,0.75,0.5)", "exit_above=0.6", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=2")
    code, output = toy.run(*exits, "hydra.sweeper.max_retries=1")
    assert code == 0, output
    [failed] = [trial for trial in toy.study().trials if trial.state.name == "FAIL"]
    assert failed.user_attrs["reason"] == "its task called sys.exit('enough') 2 times (hydra.sweeper.max_retries=1)"
    assert sorted(trial.params["x"] for trial in toy.study().trials if trial.state.name == "COMPLETE") == [0.25, 0.5]
    assert [x for _, x, *_ in toy.ran()].count("0.75") == 2


def test_two_commands_share_one_budget_exactly(toy):
    commands = [toy.start("seconds=0.01", "hydra.sweeper.n_trials=15") for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in commands]
    assert [process.returncode for process in commands] == [0, 0], outputs
    finished = [trial for trial in toy.study().trials if trial.state.name == "COMPLETE"]
    assert len(finished) == 15
    numbers = [number for number, *_ in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 15


def freeze(process, journal):
    """Suspend it where it does not hold the journal's lock, for which the others would wait."""
    with journal.open() as file:
        while True:
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
            with suppress(BlockingIOError):
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)


def test_a_worker_frozen_past_its_lease_overwrites_nothing(toy):
    overrides = ("steps=30", "seconds=0.1", "hydra.sweeper.n_trials=1", "hydra.sweeper.lease_seconds=1.5")
    with toy.start(*overrides) as frozen:
        while not (toy.folder / "sweep" / "0" / "state.json").exists():
            time.sleep(0.05)
        freeze(frozen, toy.folder / "sweep" / "study.journal")
        code, output = toy.run(*overrides)
        assert code == 0, output
        [before] = toy.study().trials
        frozen.send_signal(signal.SIGCONT)
        late, _ = frozen.communicate(timeout=200)
    assert frozen.returncode == 0, late
    assert "trial 0 was taken over by another worker" in late
    [after] = toy.study().trials
    assert after == before
    assert after.state.name == "COMPLETE"
    assert after.user_attrs["attempt"] == 1
    assert [number for number, *_ in toy.ran()] == ["0", "0"]
