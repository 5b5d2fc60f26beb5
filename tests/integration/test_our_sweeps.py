"""Sweeps of our own networks: limits, several objectives, and where the study is stored."""

import math
from pathlib import Path

import optuna
import pytest
import yaml
from hydra_async_sweeper.study.storage import open_storage

SWEEP = (
    "sweep=growth_depth_lr", "data=digits", "hydra.sweeper.study_name=ours", "hydra/launcher=basic", "epochs=1",
    "architecture.depth=10", "hydra/sweeper/pruner=none",
)  # fmt: skip


@pytest.fixture
def run(commands, tmp_path):
    """Sweep with these overrides, and return what was printed."""

    def sweep(*overrides: str) -> str:
        exit_code, output = commands.run(tmp_path, *SWEEP, *overrides)
        assert exit_code == 0, output
        return output

    return sweep


def study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="ours", storage=open_storage(None, folder / "outputs" / "sweeps" / "ours"))


def test_a_network_beyond_a_limit_is_not_trained_and_the_sampler_is_told(run, tmp_path):
    enqueued = (
        "hydra.sweeper.enqueue=[{architecture.growth_rate:4,optimizer.lr:0.1},{architecture.growth_rate:40,optimizer.lr:0.05}]"
    )
    run(
        "architecture.growth_rate=choice(4,40)", "limits.num_parameters=50000", "limits.memory_bytes=1000000000",
        "hydra.sweeper.n_trials=2", enqueued,
    )  # fmt: skip
    small, large = study(tmp_path).trials
    assert (small.state.name, large.state.name) == ("COMPLETE", "PRUNED")
    assert not large.intermediate_values
    assert large.user_attrs["reason"].startswith("infeasible: limits.num_parameters=50,000, and this network takes ")
    parameters = {trial.number: trial.user_attrs["num_parameters"] for trial in (small, large)}
    assert large.system_attrs["constraints:num_parameters"] == pytest.approx(parameters[1] / 50_000 - 1)
    assert small.system_attrs["constraints:num_parameters"] < 0
    assert large.system_attrs["constraints:memory_bytes"] < 0

    from densenet_sweep.tracking.store import connect

    client = connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("densenet_sweep")
    runs = {run.info.run_name.partition(":")[0]: run for run in client.search_runs([experiment.experiment_id])}
    assert runs["trial 1"].info.status == "KILLED"
    assert runs["trial 1"].data.tags["trial.reason"] == large.user_attrs["reason"]
    assert runs["trial 0"].info.status == "FINISHED"
    for trial in (small, large):
        data = runs[f"trial {trial.number}"].data
        assert data.metrics["num_parameters"] == parameters[trial.number]
        assert float(data.params["optimizer.lr.log10"]) == round(math.log10(trial.params["optimizer.lr"]), 4)
        assert "architecture.growth_rate.log10" not in data.params
    varying = {key for key, value in runs["trial 0"].data.params.items() if runs["trial 1"].data.params[key] != value}
    assert varying == {"architecture.growth_rate", "optimizer.lr", "optimizer.lr.log10"}


def test_accuracy_against_size_is_a_front(run, tmp_path):
    output = run(
        "architecture.growth_rate=choice(2,4,8)", "objective=[valid_accuracy,num_parameters]",
        "hydra.sweeper.n_trials=3", "tracking=none",
    )  # fmt: skip
    found = study(tmp_path)
    assert [direction.name for direction in found.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial in found.trials:
        assert trial.values == [trial.intermediate_values[1], trial.user_attrs["num_parameters"]]
    assert f"On the Pareto front: {len(found.best_trials)} of 3 complete trials." in output
    best = yaml.safe_load((tmp_path / "outputs" / "sweeps" / "ours" / "experiment" / "best.yaml").read_text())
    most_accurate = max(found.best_trials, key=lambda trial: (trial.values[0], -trial.number))
    assert best["architecture"]["growth_rate"] == most_accurate.params["architecture.growth_rate"]


def test_what_is_written_elsewhere_is_not_part_of_the_best_configuration(run, tmp_path):
    run(
        "architecture.growth_rate=choice(2,4)", "hydra.sweeper.n_trials=1", "tracking=none", "storage=sqlite",
        "device=cpu",
    )  # fmt: skip
    folder = tmp_path / "outputs" / "sweeps" / "ours"
    assert (folder / "study.db").is_file()
    best = yaml.safe_load((folder / "experiment" / "best.yaml").read_text())
    assert not {"tracking", "storage", "device"} & set(best)
    assert not [line for line in best["defaults"] if set(line) & {"override /tracking", "override /storage"}]
    shown = yaml.safe_load((folder / "0" / "artifacts" / "config.yaml").read_text())
    assert "storage" not in shown
    assert "tracking" not in shown
    assert shown["architecture"]["growth_rate"] in (2, 4)
