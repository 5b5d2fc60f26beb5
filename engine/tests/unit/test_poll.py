import logging
import signal
import time

import optuna
import pytest
from hydra_async_sweeper.launchers import poll
from hydra_async_sweeper.study.budget import Budget
from hydra_async_sweeper.study.storage import open_storage


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(poll, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(poll, "_GRACE_SECONDS", 0.3)


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    return optuna.create_study(storage=open_storage(None, tmp_path), study_name="mine", direction="maximize")


def watched(folder, *, n_trials=2):
    return poll.watched(
        lambda: optuna.load_study(storage=open_storage(None, folder), study_name="mine"),
        Budget(n_trials=n_trials),
        started=time.time(),
        lease_seconds=60.0,
        sweep_dir=folder,
    )


def test_a_launcher_that_waits_for_nothing_is_left(study, tmp_path):
    before = signal.getsignal(signal.SIGUSR1)
    for _ in range(2):
        study.tell(study.ask(), 0.5)
    with pytest.raises(poll.SweepEnded, match="2 of 2 trials are finished"), watched(tmp_path):
        time.sleep(20)
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_storage_that_is_away_is_not_asked_without_a_pause(tmp_path):
    calls = []

    def away() -> optuna.Study:
        calls.append(time.monotonic())
        raise ConnectionError("away")

    with poll.watched(away, Budget(n_trials=2), started=time.time(), lease_seconds=60.0, sweep_dir=tmp_path):
        time.sleep(0.5)
    assert 1 <= len(calls) <= 12


def test_while_a_trial_runs_nothing_has_ended(study, tmp_path):
    with watched(tmp_path):
        for _ in range(2):
            study.tell(study.ask(), 0.5)
        running = study.ask()
        time.sleep(1)
        study.tell(running, 0.5)  # and the launcher returns by itself


def test_each_trial_that_ends_is_told_once(study, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="hydra_async_sweeper")
    study.tell(study.ask(), 0.1)
    with watched(tmp_path, n_trials=9):
        time.sleep(0.5)
        study.tell(study.ask(), 0.5)
        time.sleep(0.5)
        failed = study.ask()
        failed.set_user_attr("reason", "RuntimeError: too much")
        study.tell(failed, state=optuna.trial.TrialState.FAIL)  # in the last moment
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["trial 1 complete: 0.5 (best 0.5, trial 1)", f"trial 2 failed: RuntimeError: too much ({tmp_path}/2)"]


def test_a_storage_that_is_away_is_asked_again(study, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="hydra_async_sweeper")
    calls = []

    def open_study() -> optuna.Study:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("away")
        return optuna.load_study(storage=open_storage(None, tmp_path), study_name="mine")

    with poll.watched(open_study, Budget(n_trials=9), started=time.time(), lease_seconds=60.0, sweep_dir=tmp_path):
        time.sleep(0.6)
        study.tell(study.ask(), 0.5)
        time.sleep(0.3)
    assert len(calls) == 3
    assert "trial 0 complete: 0.5 (best 0.5, trial 0)" in [record.getMessage() for record in caplog.records]
