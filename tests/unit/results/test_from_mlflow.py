"""A study as its runs in MLflow tell it, without a store."""

import datetime

from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunInputs, RunTag

from densenet_sweep.results.from_mlflow import read_study
from densenet_sweep.results.study import Range, Trial


def run(tags: dict, metrics: dict | None = None, params: dict | None = None, *, step: int = 2, status: str = "FINISHED") -> Run:
    data = RunData(
        metrics=[Metric(name, value, 0, step) for name, value in (metrics or {}).items()],
        params=[Param(name, str(value)) for name, value in (params or {}).items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items()],
    )
    number = tags.get("trial.number", "parent")
    return Run(RunInfo(f"run{number}", "0", "user", status, 1000, 61_000, "active"), data, RunInputs([]))


def parent(objectives: str = "valid_accuracy", directions: str = "maximize", n_trials: int = 9, **searched: str) -> Run:
    tags = {"study": "mine", "study.objectives": objectives, "study.directions": directions, "n_trials": n_trials}
    return run(tags, params=searched, status="RUNNING")


def time(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds)


SEARCHED = {
    "lr": "tag(log,interval(0.01,1))",
    "depth": "choice(10,16)",
    "momentum": "{'search': 'interval(0.5,0.9)', 'when': {'depth': [16]}}",
}


def test_trials_of_each_state_with_what_their_runs_have():
    runs = [
        run(
            {"trial.number": 0, "trial.state": "complete", "num_valid": 100, "overrides": "lr=0.1 depth=16"},
            {"valid_accuracy": 0.75, "num_parameters": 12, "total_seconds": 9.0, "rung_1_seconds": 2.0},
            {"lr": 0.1, "depth": 16, "momentum": 0.7, "epochs": 2, "rungs": "[1]", "data.root": "data"},
        ),
        run(
            {"trial.number": 1, "trial.state": "pruned", "trial.reason": "after epoch 1 of 2"},
            {"valid_accuracy": 0.5, "seconds": 3.0},
            {"lr": 0.5, "depth": 10, "epochs": 2, "max_seconds": 60},
            step=1,
        ),
        run({"trial.number": 3, "trial.state": "failed", "trial.reason": "diverged"}, params={"lr": 1.0, "depth": 10}),
        run(
            {
                "trial.number": 4, "trial.state": "running", "trial.promoted_from": 1,
                "host": "a", "process": 7, "process.start": "1.5", "process.machine": "m",
            },
            {"valid_accuracy": 0.25, "passed_seconds": 3.0, "total_seconds": 4.0},
            {"lr": 0.5, "depth": 10},
            step=1,
        ),
        run({"trial.number": 5, "trial.state": "complete"}, {"train_loss": 0.5}, {"lr": 0.2, "depth": 10}),
    ]  # fmt: skip
    study = read_study(parent(**SEARCHED), runs, "its host is down")
    lr, depth, momentum = Range(0.01, 1.0, is_log=True), Range(choices=(10, 16)), Range(0.5, 0.9)
    of_both = {"lr": lr, "depth": depth}
    assert study.trials == (
        Trial(
            0, "complete", (0.75,), {"lr": 0.1, "depth": 16}, of_both, {2: 0.75}, num_parameters=12, num_valid=100, epochs=2,
            rungs=(1,), seconds=9.0, rung_seconds=2.0, run_id="run0", start=time(1), end=time(61),
        ),
        Trial(
            1, "pruned", (0.5,), {"lr": 0.5, "depth": 10}, of_both, {1: 0.5}, seconds=3.0, run_id="run1",
            reason="after epoch 1 of 2", start=time(1), end=time(61),
        ),
        Trial(2, "waiting"),
        Trial(
            3, "failed", params={"lr": 1.0, "depth": 10}, ranges=of_both, run_id="run3", reason="diverged",
            start=time(1), end=time(61),
        ),
        Trial(
            4, "running", params={"lr": 0.5, "depth": 10}, ranges=of_both, reports={1: 0.25}, seconds=4.0, rung_seconds=3.0,
            passed_seconds=3.0, run_id="run4", promoted_from=1, start=time(1),
            lease={"host": "a", "pid": 7, "process_start": 1.5, "machine": "m", "gpu": None},
        ),
        Trial(  # its objective was lost on the way
            5, "failed", params={"lr": 0.2, "depth": 10}, ranges=of_both, run_id="run5", start=time(1), end=time(61)
        ),
    )  # fmt: skip
    assert (study.name, study.objectives, study.directions) == ("mine", ("valid_accuracy",), ("maximize",))
    assert study.config == {"objective": "valid_accuracy", "data.root": "data"}
    assert momentum not in study.trials[0].ranges.values()
    assert study.note == (
        "Read from the runs in MLflow, without rank correlations: its host is down. MLflow has no run of trial 2. "
        "Ended, as far as it knows: 4 of 9 trials; the best may be missing."
    )


def test_the_front_of_two_objectives():
    values = [(0.5, 3.0), (0.75, 5.0), (0.5, 4.0), (0.75, 5.0)]
    runs = [
        run({"trial.number": number, "trial.state": "complete"}, {"valid_accuracy": accuracy, "num_parameters": size})
        for number, (accuracy, size) in enumerate(values)
    ]
    study = read_study(parent("valid_accuracy num_parameters", "maximize minimize"), runs, "it has gone")
    assert (study.front, study.objectives) == ({0, 1, 3}, ("valid_accuracy", "num_parameters"))


def test_a_range_that_the_sweeps_run_does_not_tell_holds_what_was_tried():
    runs = [
        run({"trial.number": number, "trial.state": "complete"}, {"valid_accuracy": 0.5}, {"x": x, "kind": kind})
        for number, (x, kind) in enumerate([(1, "a"), (4, "true")])
    ]
    study = read_study(parent(x="tag(log,interval(2,4))", kind="choice(b)"), runs, "it has gone")
    assert study.trials[0].ranges == {"x": Range(1.0, 4.0, is_log=True), "kind": Range(choices=("a", True))}
    assert [trial.params for trial in study.trials] == [{"x": 1.0, "kind": "a"}, {"x": 4.0, "kind": True}]


def test_an_earlier_sweep_names_its_objectives_in_its_trials():
    trial = run({"trial.number": 0, "trial.state": "complete"}, {"valid_loss": 0.5}, {"objective": "valid_loss"})
    study = read_study(parent("", ""), [trial], "it has gone")
    assert (study.objectives, study.directions, study.trials[0].values) == (("valid_loss",), ("minimize",), (0.5,))


def test_folds_that_have_ended():
    params = {"data.folds": 3, "epochs": 10, "lr": 0.1}
    means = {f"fold_{fold}_valid_accuracy": value for fold, value in ((1, 0.5), (2, 0.7), (3, 0.1))}
    trial = run({"trial.number": 0, "trial.state": "pruned"}, {"valid_accuracy": 0.6, **means}, params, step=2)
    [read] = read_study(parent(lr=SEARCHED["lr"]), [trial], "why").trials
    assert (read.fold_values, read.values, read.epochs, read.reports) == ((0.5, 0.7), (0.6,), 3, {1: 0.5, 2: 0.7})


def test_a_range_that_cannot_be_read_and_that_no_trial_has_tried_is_empty():
    first = run({"trial.number": 0, "trial.state": "failed"}, {}, {"x": 1})
    study = read_study(parent(x="choice(1,2)", architecture="glob(*)"), [first], "it has gone")
    assert study.trials[0].params == {"x": 1.0}
