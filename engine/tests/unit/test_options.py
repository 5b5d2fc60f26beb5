import re
import sys

import pytest
from hydra_async_sweeper import options, sweeper
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.expected_gain import StopWhen

DEFAULTS = {
    "n_trials": 20, "n_jobs": None, "max_failure_rate": 0.5, "timeout": None, "patience": None, "lease_seconds": 60.0,
    "max_retries": 2, "target": None, "trial_timeout": None,
    "trial_files": "all", "best_group": "experiment",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{}, {"n_jobs": 1, "timeout": 0.5, "patience": 1}, {"max_failure_rate": 0.0, "max_retries": 0}, {"max_failure_rate": 1.0}],
)
def test_what_is_in_range_is_accepted(changes):
    options.check_options({**DEFAULTS, **changes})


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("n_trials", 0, "a whole number of at least 1"),
        ("n_jobs", -1, "a whole number from 1 to 10,000, or null,"),
        ("n_jobs", 10**9, "a whole number from 1 to 10,000, or null,"),
        ("max_failure_rate", 1.5, "a number from 0 to 1"),
        ("timeout", -1.0, "a number of seconds of at least 0, or null,"),
        ("patience", 0, "a whole number of at least 1, or null,"),
        ("lease_seconds", float("nan"), "a number of seconds above 0"),
        ("lease_seconds", float("inf"), "a number of seconds above 0"),
        ("target", float("nan"), "a number, or null,"),
        ("trial_files", "some", "all, overrides or none"),
        ("best_group", "../up", "the name of a config group"),
        ("max_retries", -1, "a whole number of at least 0"),
    ],
)
def test_what_is_out_of_range_is_refused_by_its_key(name, value, accepted):
    with pytest.raises(SweepError, match=re.escape(f"hydra.sweeper.{name}={value}: {accepted} is accepted")):
        options.check_options({**DEFAULTS, name: value})


def test_the_rule_of_stop_when():
    assert options.stop_when(None, 2) is None
    assert options.stop_when({"gain": 1, "trials": 10}, 1) == StopWhen(1.0, 10)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.1, "hydra.sweeper.stop_when=0.1: null, or both numbers, such as {gain: 0.002, trials: 10}, is accepted"),
        ({"gain": 0.1}, "hydra.sweeper.stop_when={gain: 0.1}: null, or both numbers, such as"),
        ({}, "hydra.sweeper.stop_when={}: null, or both numbers, such as"),
        ([{"gain": 0.1, "trials": 4}], "such as {gain: 0.002, trials: 10}, is accepted"),
        (
            {"gain": -1, "trials": 4},
            "hydra.sweeper.stop_when.gain=-1: a number above 0, in the objective's own unit, is",
        ),
        ({"gain": 0, "trials": 4}, "hydra.sweeper.stop_when.gain=0: a number above 0"),
        ({"gain": float("nan"), "trials": 4}, "hydra.sweeper.stop_when.gain=nan: a number above 0"),
        ({"gain": float("inf"), "trials": 4}, "hydra.sweeper.stop_when.gain=inf: a number above 0"),
        ({"gain": "much", "trials": 4}, "hydra.sweeper.stop_when.gain=much: a number above 0"),
        ({"gain": True, "trials": 4}, "hydra.sweeper.stop_when.gain=True: a number above 0"),
        ({"gain": 0.1, "trials": 0}, "hydra.sweeper.stop_when.trials=0: a whole number of at least 1 is accepted"),
        ({"gain": 0.1, "trials": 2.5}, "hydra.sweeper.stop_when.trials=2.5: a whole number of at least 1"),
        ({"gain": 0.1, "trials": None}, "hydra.sweeper.stop_when.trials=None: a whole number of at least 1"),
        ({"gain": 0.1, "trials": 4, "trails": 4}, "unknown key hydra.sweeper.stop_when.trails; did you mean trials?"),
    ],
)
def test_another_stop_when_is_refused_by_its_key(value, message):
    with pytest.raises(SweepError, match=re.escape(message)):
        options.stop_when(value, 1)


def test_stop_when_is_refused_with_several_objectives():
    with pytest.raises(SweepError, match=re.escape("stop_when={gain: 0.1, trials: 4}: null is accepted with 2 objectives,")):
        options.stop_when({"gain": 0.1, "trials": 4}, 2)


def test_windows_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SweepError, match=r"^hydra/sweeper=async_optuna: Windows is not supported; WSL 2 runs it$"):
        sweeper.sweep(options={}, config=None, context=None, task_function=None, arguments=[])
