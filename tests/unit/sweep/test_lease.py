import socket
import subprocess
import sys
import time

import optuna
import pytest

from densenet_sweep.sweep.lease import ATTEMPT, LEASE, Lease, reclaim_dead
from densenet_sweep.sweep.study import open_storage


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(None, tmp_path))


def lease(study: optuna.Study, number: int) -> dict:
    return study.trials[number].user_attrs[LEASE]


def as_if(study: optuna.Study, trial: optuna.Trial, **changes: object) -> None:
    """Let the trial's lease look like another worker's."""
    trial.set_user_attr(LEASE, {**lease(study, trial.number), **changes})


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_living_workers_trial_is_left_alone(study):
    trial = study.ask()
    held = Lease(study, trial._trial_id, seconds=60)
    assert reclaim_dead(study, lease_seconds=60, max_retries=2) == []
    assert study.trials[0].state.name == "RUNNING"
    assert held.is_held()
    held.release()


def test_a_lease_is_renewed_while_it_is_held_and_not_after(study):
    trial = study.ask()
    held = Lease(study, trial._trial_id, seconds=0.3)
    first = lease(study, 0)["until"]
    deadline = time.monotonic() + 10
    while lease(study, 0)["until"] == first and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lease(study, 0)["until"] > first
    held.release()
    last = lease(study, 0)["until"]
    time.sleep(0.3)
    assert lease(study, 0)["until"] == last


@pytest.mark.parametrize("how", ["process gone", "process id given anew", "other host, run out"])
def test_a_dead_workers_trial_goes_back_into_the_queue_as_it_was(study, how):
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.report(0.5, 1)
    Lease(study, trial._trial_id, seconds=60).release()
    changes = {
        "process gone": {"pid": dead_process()},
        "process id given anew": {"process_start": 1.0},
        "other host, run out": {"host": "elsewhere", "until": time.time() - 1},
    }
    as_if(study, trial, **changes[how])
    assert reclaim_dead(study, lease_seconds=60, max_retries=2) == []
    assert study.trials[0].state.name == "WAITING"
    assert study.trials[0].user_attrs[ATTEMPT] == 1
    again = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    assert (again.number, again.params) == (0, trial.params)
    assert study.trials[0].intermediate_values == {1: 0.5}


def test_a_worker_on_another_host_is_believed_until_its_lease_runs_out(study):
    trial = study.ask()
    Lease(study, trial._trial_id, seconds=60).release()
    as_if(study, trial, host="elsewhere", pid=dead_process())
    reclaim_dead(study, lease_seconds=60, max_retries=2)
    assert study.trials[0].state.name == "RUNNING"


def test_after_the_last_attempt_the_trial_fails_with_its_reason(study):
    trial = study.ask()
    Lease(study, trial._trial_id, seconds=60).release()
    trial.set_user_attr(ATTEMPT, 2)
    as_if(study, trial, pid=dead_process())
    [(number, reason)] = reclaim_dead(study, lease_seconds=60, max_retries=2)
    assert number == 0
    assert "its worker died 3 times" in reason
    assert study.trials[0].state.name == "FAIL"
    assert study.trials[0].user_attrs["reason"] == reason


def test_a_worker_whose_trial_was_taken_over_notices(study):
    trial = study.ask()
    slow = Lease(study, trial._trial_id, seconds=60)
    as_if(study, trial, host="elsewhere", until=time.time() - 1)
    reclaim_dead(study, lease_seconds=60, max_retries=2)
    successor = Lease(study, study.ask()._trial_id, seconds=60)
    assert not slow.is_held()
    assert successor.is_held()
    slow.release()
    successor.release()


def test_a_trial_without_a_lease_is_given_time_to_get_one(study):
    study.ask()
    reclaim_dead(study, lease_seconds=60, max_retries=2)
    assert study.trials[0].state.name == "RUNNING"
    time.sleep(0.05)
    reclaim_dead(study, lease_seconds=0.01, max_retries=2)
    assert study.trials[0].state.name == "WAITING"


def test_a_lease_says_who_holds_it(study):
    held = Lease(study, study.ask()._trial_id, seconds=60)
    assert lease(study, 0)["host"] == socket.gethostname()
    assert lease(study, 0)["until"] == pytest.approx(time.time() + 60, abs=5)
    held.release()
