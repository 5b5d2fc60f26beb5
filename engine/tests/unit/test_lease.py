import socket
import subprocess
import sys
import time

import optuna
import pytest
from hydra_async_sweeper.study.retry import Outage
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.workers.lease import ATTEMPT, LEASE, Lease, reclaim_dead


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(None, tmp_path))


def lease(study: optuna.Study, number: int) -> dict:
    return study.trials[number].user_attrs[LEASE]


def as_if(study: optuna.Study, trial: optuna.Trial, **changes: object) -> None:
    """Let the trial's lease look like another worker's."""
    trial.set_user_attr(LEASE, {**lease(study, trial.number), **changes})


def reclaim(study: optuna.Study, lease_seconds: float = 60, max_retries: int = 2) -> list[tuple[int, str, str]]:
    """Reclaim, and return what was told meanwhile."""
    told: list[tuple[int, str, str]] = []

    def on_reclaimed(number: int, state: str, reason: str) -> None:
        assert study.trials[number].state.name != "WAITING"  # nobody else can have it yet
        told.append((number, state, reason))

    reclaim_dead(study, lease_seconds=lease_seconds, max_retries=max_retries, on_reclaimed=on_reclaimed)
    return told


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_living_workers_trial_is_left_alone(study):
    trial = study.ask()
    held = Lease(study, trial._trial_id, seconds=60)
    assert reclaim(study) == []
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
    assert reclaim(study) == [(0, "interrupted", "its worker died")]
    assert study.trials[0].state.name == "WAITING"
    assert study.trials[0].user_attrs[ATTEMPT] == 1
    again = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    assert (again.number, again.params) == (0, trial.params)
    assert study.trials[0].intermediate_values == {1: 0.5}


def test_a_worker_on_another_host_is_believed_until_its_lease_runs_out(study):
    trial = study.ask()
    Lease(study, trial._trial_id, seconds=60).release()
    as_if(study, trial, host="elsewhere", pid=dead_process())
    reclaim(study)
    assert study.trials[0].state.name == "RUNNING"


def test_after_the_last_attempt_the_trial_fails_with_its_reason(study):
    trial = study.ask()
    Lease(study, trial._trial_id, seconds=60).release()
    trial.set_user_attr(ATTEMPT, 2)
    as_if(study, trial, pid=dead_process())
    [(number, state, reason)] = reclaim(study)
    assert (number, state) == (0, "failed")
    assert "its worker died 3 times" in reason
    assert study.trials[0].state.name == "FAIL"
    assert study.trials[0].user_attrs["reason"] == reason


def test_a_worker_whose_trial_was_taken_over_notices(study):
    trial = study.ask()
    slow = Lease(study, trial._trial_id, seconds=60)
    as_if(study, trial, host="elsewhere", until=time.time() - 1)
    reclaim(study)
    successor = Lease(study, study.ask()._trial_id, seconds=60)
    assert not slow.is_held()
    assert successor.is_held()
    slow.release()
    successor.release()


def test_a_trial_without_a_lease_is_given_time_to_get_one(study):
    study.ask()
    reclaim(study)
    assert study.trials[0].state.name == "RUNNING"
    time.sleep(0.05)
    reclaim(study, lease_seconds=0.01)
    assert study.trials[0].state.name == "WAITING"


def test_a_lease_says_who_holds_it(study):
    held = Lease(study, study.ask()._trial_id, seconds=60)
    assert lease(study, 0)["host"] == socket.gethostname()
    assert lease(study, 0)["until"] == pytest.approx(time.time() + 60, abs=5)
    held.release()


def test_nobody_is_held_dead_for_an_outage_of_the_storage(study, monkeypatch):
    trial = study.ask()
    Lease(study, trial._trial_id, seconds=60).release()
    as_if(study, trial, host="elsewhere", until=time.time() - 1)
    monkeypatch.setattr(Outage, "ended", time.time() - 5)
    assert reclaim(study) == []
    monkeypatch.setattr(Outage, "ended", time.time() - 61)
    assert reclaim(study) == [(0, "interrupted", "its worker died")]
