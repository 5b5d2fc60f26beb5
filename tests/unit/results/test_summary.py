import datetime
import io
from typing import Any

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from densenet_sweep.results import summary
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.study import Study

BEGIN = datetime.datetime(2026, 11, 25)
DISTRIBUTIONS = {"architecture.depth": IntDistribution(1, 99), "optimizer.lr": FloatDistribution(0, 1)}


def study_of(name: str, *trials: tuple[str, float | None, float], **attributes: Any) -> Study:
    """A study of trials of such a state, value and duration, one beginning every 100 seconds."""
    study = optuna.create_study(study_name=name, direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    for index, (state, value, seconds) in enumerate(trials):
        trial = create_trial(
            state=TrialState[state],
            value=value,
            params={"architecture.depth": 10 + index, "optimizer.lr": 0.1},
            distributions=DISTRIBUTIONS,
            user_attrs={"seconds": seconds, "num_parameters": 1000, "num_valid": 1000, **attributes},
        )
        trial.datetime_start = BEGIN + datetime.timedelta(seconds=100 * index)
        trial.datetime_complete = None if state == "RUNNING" else trial.datetime_start + datetime.timedelta(seconds=seconds)
        study.add_trial(trial)
    return read_study(study)


def test_a_study_in_a_few_numbers():
    study = study_of("one", ("COMPLETE", 0.8, 10), ("PRUNED", 0.95, 1), ("COMPLETE", 0.9, 20), ("RUNNING", None, 5))
    assert summary.summarize(study) == summary.Summary(
        states={"complete": 2, "pruned": 1, "running": 1},
        best=2,
        values=[0.9],
        params={"architecture.depth": 12, "optimizer.lr": 0.1},
        num_parameters=1000,
        median_seconds=15.0,
        total_seconds=36.0,
        span_seconds=220.0,
    )


def test_a_study_without_a_finished_trial():
    found = summary.summarize(study_of("new", ("RUNNING", None, 3)))
    assert (found.best, found.values, found.median_seconds, found.span_seconds) == (None, [], None, None)


def test_trials_of_another_study_cost_this_one_nothing():
    found = summary.summarize(study_of("warm", ("COMPLETE", 0.9, 20), warm_start_from="cold/0"))
    assert (found.states, found.best, found.total_seconds, found.span_seconds) == ({"complete": 1}, 0, 0, None)


def test_side_by_side_in_80_columns():
    studies = [
        study_of("quickstart-fashion_mnist_14px", ("COMPLETE", 0.9, 10), ("PRUNED", 0.5, 1)),
        study_of("wide", ("COMPLETE", 0.8, 4000), ("FAIL", None, 5)),
        study_of("a-name-that-is-longer-than-a-column", ("RUNNING", None, 1)),
        study_of("four", ("COMPLETE", 0.7, 1)),
        study_of("five", ("COMPLETE", 0.6, 1)),
    ]
    console = Console(file=io.StringIO(), width=80)
    summary.show_summary(studies, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    words = [line.split() for line in lines]
    assert ["complete", "1", "1", "0", "1"] in words
    assert ["best", "valid_accuracy", "0.9000", "0.8000", "0.7000"] in words
    assert ["best", "valid_accuracy", "0.6000"] in words
    assert ["of", "trial", "0", "0", "0"] in words
    verdict = "The best is quickstart-fashion_mnist_14px's: wide, four and five are worse beyond the noise."
    assert " ".join(lines[-3:]).split() == verdict.split()
