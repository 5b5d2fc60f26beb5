import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import optuna
import pytest
from hydra_async_sweeper.study.retry import Outage
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import ATTEMPT, LEASE
from hydra_async_sweeper.workers import process_identity
from hydra_async_sweeper.workers.lease import Lease, Limit, Silence, mark_overtime, reclaim_dead
from hydra_async_sweeper.workers.process_identity import machine


@pytest.fixture
def study(request, tmp_path) -> Iterator[optuna.Study]:
    kind = getattr(request, "param", "journal")
    storage = open_storage(kind, tmp_path)
    yield optuna.create_study(storage=storage, study_name="s")
    if kind == "sqlite":
        storage.remove_session()
        storage._backend.engine.dispose()


# Where it matters how a lease replaces another; several processes at once are tried in the integration tests.
in_each_storage = pytest.mark.parametrize("study", ["journal", "sqlite"], indirect=True)


def taken(study: optuna.Study, trial: optuna.Trial, seconds: float = 60) -> Lease:
    lease = Lease.take(study, trial._trial_id, seconds)
    assert lease is not None
    return lease


def lease(study: optuna.Study, number: int) -> dict:
    return study.trials[number].user_attrs[LEASE]


def as_if(study: optuna.Study, trial: optuna.Trial, **changes: object) -> None:
    """Let the trial's lease look like another worker's."""
    trial.set_user_attr(LEASE, {**lease(study, trial.number), **changes})


def dead(study: optuna.Study) -> optuna.Trial:
    """Return a trial whose worker has died."""
    trial = study.ask()
    taken(study, trial).release()
    as_if(study, trial, pid=dead_process())
    return trial


def reclaim(
    study: optuna.Study, lease_seconds: float = 60, max_retries: int = 2, silence: Silence | None = None, **seen: object
) -> list[tuple[int, str, str]]:
    """Reclaim, and return what was reported meanwhile."""
    logged: list[tuple[int, str, str]] = []

    def on_reclaimed(number: int, state: str, reason: str) -> None:
        assert study.trials[number].state.name != "WAITING"  # nobody else can have it yet
        logged.append((number, state, reason))

    reclaim_dead(
        study,
        lease_seconds=lease_seconds,
        max_retries=max_retries,
        silence=silence or Silence(),
        on_reclaimed=on_reclaimed,
        **seen,
    )
    return logged


class Clock:
    """A reader's own clock."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def dead_process() -> int:
    with subprocess.Popen(["true"]) as it:
        it.wait()
    return it.pid


def test_a_living_workers_trial_is_left_alone(study):
    held = taken(study, study.ask())
    assert reclaim(study) == []
    assert study.trials[0].state.name == "RUNNING"
    assert held.is_held()
    held.release()


def test_a_lease_is_renewed_while_it_is_held_and_not_after(study):
    held = taken(study, study.ask(), seconds=0.3)
    first = lease(study, 0)["beat"]
    held.done = 2.45678
    deadline = time.monotonic() + 60
    while lease(study, 0)["beat"] == first and time.monotonic() < deadline:
        time.sleep(0.02)
    assert lease(study, 0)["beat"] > first
    assert lease(study, 0)["done"] == 2.457
    held.release()
    last = lease(study, 0)["beat"]
    time.sleep(0.3)
    assert lease(study, 0)["beat"] == last


def test_what_the_worker_writes_is_not_undone_by_the_renewal(study):
    held = taken(study, study.ask(), seconds=0.003)
    for attempt in range(1, 20):
        held.count_attempt()
        assert lease(study, 0)["attempt"] == held.attempt == attempt
    held.give_back()
    assert lease(study, 0)["attempt"] == 19
    assert study.trials[0].state.name == "WAITING"


@pytest.mark.parametrize("how", ["process gone", "process id given anew"])
def test_a_dead_workers_trial_goes_back_into_the_queue_as_it_was(study, how):
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    trial.report(0.5, 1)
    taken(study, trial).release()
    as_if(study, trial, **{"process gone": {"pid": dead_process()}, "process id given anew": {"process_start": 1.0}}[how])
    assert reclaim(study) == [(0, "interrupted", "its worker died")]
    assert study.trials[0].state.name == "WAITING"
    assert study.trials[0].user_attrs[ATTEMPT] == 1
    again = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    assert (again.number, again.params) == (0, trial.params)
    assert study.trials[0].intermediate_values == {1: 0.5}
    successor = taken(study, again)
    assert successor.attempt == 1
    successor.release()


ELSEWHERE = [
    {"host": "elsewhere", "machine": "elsewhere/i/b/1"},
    {"machine": f"{machine()}0"},  # a container of the same host and name, with processes of its own
    {"machine": machine().replace("/", "/x", 1)},  # another host of the same name
    {"machine": None},  # of an older version
]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_of_a_worker_on_another_machine_the_readers_own_clock_decides(study, where):
    trial = study.ask()
    taken(study, trial).release()
    as_if(study, trial, pid=dead_process(), **where)
    clock = Clock()
    silence = Silence(clock)
    assert reclaim(study, silence=silence) == []  # how old the lease is, nobody knows yet
    clock.now += 50
    as_if(study, trial, beat=7)
    assert reclaim(study, silence=silence) == []
    clock.now += 60
    assert reclaim(study, silence=silence) == []
    clock.now += 1
    assert reclaim(study, silence=silence) == [(0, "interrupted", "its worker died")]


def test_no_clock_on_the_wall_matters(study, monkeypatch):
    held = taken(study, study.ask())
    for now in (0.0, time.time() + 36000):
        with monkeypatch.context() as the_clock:
            the_clock.setattr(time, "time", lambda now=now: now)
            assert reclaim(study) == []
    held.release()


def test_a_trial_of_before_a_restart_of_this_machine_is_taken_at_once(study, monkeypatch):
    trial = study.ask()
    taken(study, trial).release()
    here = "here/installation/boot-{}/4026531836"
    as_if(study, trial, machine=here.format(1))
    monkeypatch.setattr(process_identity, "machine", lambda: here.format(2))
    assert reclaim(study) == [(0, "interrupted", "its worker died")]


def test_after_the_last_attempt_the_trial_fails_with_its_reason(study):
    trial = dead(study)
    for _ in range(2):
        assert [state for _, state, _ in reclaim(study)] == ["interrupted"]
        trial = study.ask()
        taken(study, trial).release()
        as_if(study, trial, pid=dead_process())
    assert reclaim(study) == [(0, "failed", "its worker died 3 times (hydra.sweeper.max_retries=2)")]
    assert study.trials[0].state.name == "FAIL"
    assert study.trials[0].user_attrs["reason"] == "its worker died 3 times (hydra.sweeper.max_retries=2)"


def test_attempts_of_an_older_version_count(study):
    trial = study.ask()
    trial.set_user_attr(LEASE, {"token": "t", "host": "h", "pid": 1, "process_start": 1.0, "until": 0.0, "gpu": None})
    trial.set_user_attr(ATTEMPT, 2)
    silence = Silence(Clock())
    reclaim(study, silence=silence)
    assert reclaim(study, lease_seconds=-1, silence=silence)[0][1:] == (
        "failed",
        "its worker died 3 times (hydra.sweeper.max_retries=2)",
    )


@in_each_storage
def test_a_worker_whose_trial_was_taken_over_notices_and_leaves_it_alone(study):
    slow = taken(study, study.ask())
    silence = Silence()
    reclaim(study, silence=silence)
    reclaim(study, lease_seconds=-1, silence=silence)
    successor = taken(study, study.ask())
    assert not slow.is_held()
    slow._write()  # the renewal that it was about to make
    slow.give_back()
    assert successor.is_held()
    assert study.trials[0].state.name == "RUNNING"
    successor.release()


@in_each_storage
def test_who_looked_before_another_reclaimed_reclaims_nothing(study):
    dead(study)
    before = study.get_trials()
    assert len(reclaim(study, seen=before)) == 1
    assert reclaim(study, seen=before) == []  # while it is in the queue
    successor = taken(study, study.ask())
    assert reclaim(study, seen=before) == []  # and while another runs it
    assert successor.is_held()
    assert study.trials[0].state.name == "RUNNING"
    assert study.trials[0].user_attrs[ATTEMPT] == 1
    successor.release()


@in_each_storage
def test_where_the_one_that_reclaims_dies_the_next_does_and_one_death_counts_once(study):
    trial = dead(study)
    for _ in range(5):
        held = Lease.succeed(study, study.trials[0], 60)
        held._released.set()  # it died
        held._thread.join()
        as_if(study, trial, pid=dead_process())
    assert reclaim(study) == [(0, "interrupted", "its worker died")]
    assert study.trials[0].user_attrs[ATTEMPT] == 1


def test_an_error_while_it_is_reported_leaves_the_trial_in_the_queue(study):
    dead(study)

    def failing(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reclaim_dead(study, lease_seconds=60, max_retries=2, silence=Silence(), on_reclaimed=failing)
    assert study.trials[0].state.name == "WAITING"
    taken(study, study.ask()).release()


@in_each_storage
def test_a_running_trial_that_somebody_puts_back_late_stays_its_owners(study):
    owner = taken(study, study.ask())
    study._storage.set_trial_state_values(study.trials[0]._trial_id, optuna.trial.TrialState.WAITING)
    again = study.ask()
    assert again.number == 0
    assert Lease.take(study, again._trial_id, 60) is None
    study._storage.set_trial_state_values(again._trial_id, optuna.trial.TrialState.WAITING)
    owner.release()
    study.tell(0, 1.0)  # Optuna refuses this for a trial that waits
    assert study.trials[0].value == 1.0


@in_each_storage
def test_of_two_that_pull_one_trial_one_gets_it(study):
    trial_id = study.ask()._trial_id
    first, second = (Lease.take(study, trial_id, 60) for _ in range(2))
    assert first.is_held()
    assert second is None
    first.give_back()
    third = Lease.take(study, study.ask()._trial_id, 60)
    assert third.is_held()
    assert third.attempt == 0  # leaving in order is no death
    third.release()


def test_a_trial_without_a_lease_is_given_time_to_get_one(study):
    study.ask()
    clock = Clock()
    silence = Silence(clock)
    reclaim(study, silence=silence)
    clock.now += 60
    reclaim(study, silence=silence)
    assert study.trials[0].state.name == "RUNNING"
    clock.now += 1
    reclaim(study, silence=silence)
    assert study.trials[0].state.name == "WAITING"
    assert study.trials[0].user_attrs[ATTEMPT] == 0  # nobody has run it


def test_a_lease_says_who_holds_it(study):
    held = taken(study, study.ask())
    assert lease(study, 0)["host"] == socket.gethostname()
    assert lease(study, 0)["machine"] == machine()
    held.release()


def test_a_lease_keeps_the_attempts_before_it_and_how_each_ended(study):
    trial = study.ask()
    taken(study, trial).give_back()  # the user interrupted it
    trial = study.ask()
    taken(study, trial).release()
    as_if(study, trial, pid=dead_process())
    reclaim(study)
    trial = study.ask()
    exited = taken(study, trial)
    exited.count_attempt()  # its task called sys.exit
    exited.give_back()
    last = taken(study, study.ask())
    last.release()
    kept = lease(study, 0)
    assert [attempt.get("died", False) for attempt in kept["earlier"]] == [False, True, True]
    times = [time for it in [*kept["earlier"], kept] for time in (it["began"], it["renewed"])]
    assert times == sorted(times)
    assert {it["host"] for it in kept["earlier"]} == {socket.gethostname()}
    assert "token" not in kept["earlier"][0]


def test_an_attempt_of_an_older_version_is_not_guessed(study):
    trial = study.ask()
    trial.set_user_attr(LEASE, {"token": "t", "host": "h", "pid": 1, "process_start": 1.0, "phase": "released", "gpu": None})
    held = taken(study, trial)
    held.release()
    assert "earlier" not in lease(study, 0)


def test_nobody_counts_as_dead_for_an_outage_of_the_storage(study, monkeypatch):
    trial = study.ask()
    taken(study, trial).release()
    as_if(study, trial, machine="elsewhere/i/b/1")
    clock = Clock()
    silence = Silence(clock)
    reclaim(study, silence=silence)
    clock.now += 100
    monkeypatch.setattr(Outage, "ended", clock.now - 5)
    assert reclaim(study, silence=silence) == []
    monkeypatch.setattr(Outage, "ended", clock.now - 61)
    assert reclaim(study, silence=silence) == [(0, "interrupted", "its worker died")]


def test_a_launcher_says_why_it_kills_a_worker(study):
    trial = study.ask()
    taken(study, trial).release()
    mark_overtime(study, os.getpid(), 9)
    as_if(study, trial, pid=dead_process())
    assert reclaim(study, max_retries=0)[0][2].startswith("it ran longer than hydra.sweeper.trial_timeout=9 s once")


def test_a_trial_whose_time_is_over_is_ended_and_then_no_longer_renewed(study):
    trial, over = study.ask(), threading.Event()
    lease_of_it = Lease.take(study, trial._trial_id, 60, Limit(0.05, lambda _: over.set()))
    assert over.wait(60)
    lease_of_it._thread.join(60)
    assert not lease_of_it._thread.is_alive()
    assert lease(study, trial.number)["overtime"] == 0.05
