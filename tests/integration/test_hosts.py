"""What hosts that share a study and an MLflow server, and no folder, record there when one of the three is lost."""

import subprocess
from collections.abc import Callable

import pytest
from waiting import wait_for

pytestmark = pytest.mark.real("hosts")

NUM_TRIALS, EPOCHS = 5, 4
SWEEP = (
    "sweep=growth_depth_lr", "data=digits", "architecture.growth_rate=choice(4,6)", "architecture.depth=10",
    "hydra/sweeper/pruner=none", "hydra/launcher=basic", "hydra.sweeper.lease_seconds=6", f"epochs={EPOCHS}",
    f"hydra.sweeper.n_trials={NUM_TRIALS}", "tracking.system_metrics=false",
)  # fmt: skip


@pytest.fixture
def mlflow(between, server_at):
    return server_at(f"{between.subnet}.1")


@pytest.fixture
def start(hosts, mlflow) -> Callable[[int, str], "subprocess.Popen[bytes]"]:
    """Start the sweep NAME on host INDEX."""

    def run(index: int, name: str) -> "subprocess.Popen[bytes]":
        host = hosts[index]
        host.command = ("-m", "densenet_sweep")
        storage = f"hydra.sweeper.storage={host.environment['STUDIES']}"
        return host.start(*SWEEP, storage, f"hydra.sweeper.study_name={name}", f"tracking.uri={mlflow.uri}")

    return run


def assert_recorded(server, trials) -> None:
    """Each trial has one run, with its value and each epoch once; the sweep has one run; all of them are finished."""
    client = server.client()
    [experiment] = [it for it in client.search_experiments() if it.name == "densenet_sweep"]
    runs = client.search_runs([experiment.experiment_id])
    names = sorted(run.info.run_name.partition(":")[0] for run in runs)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * NUM_TRIALS
    assert names == sorted([runs_name(runs), *(f"trial {trial.number}" for trial in trials)])
    assert {run.info.status for run in runs} == {"FINISHED"}
    found = {int(run.data.tags["trial.number"]): run for run in runs if "trial.number" in run.data.tags}
    for trial in trials:
        run = found[trial.number]
        assert run.data.metrics["valid_accuracy"] == trial.value
        assert [metric.step for metric in client.get_metric_history(run.info.run_id, "valid_accuracy")] == list(
            range(1, EPOCHS + 1)
        )
        assert sorted(trial.intermediate_values) == list(range(1, EPOCHS + 1))
        assert "trial.incomplete" not in run.data.tags


def runs_name(runs) -> str:
    [parent] = [run for run in runs if run.data.tags.get("role") == "study"]
    return str(parent.info.run_name)


def test_a_host_that_dies_leaves_its_trials_run_to_the_other(between, hosts, mlflow, start):
    processes = [start(0, "lost"), start(1, "lost")]  # at the same moment: both might begin the study and its run
    wait_for(lambda: any(trial.intermediate_values for trial in between.trials("lost") if trial.number == 0))
    first = 0 if "trial 0" in hosts[0].said() else 1
    hosts[first].kill()
    assert processes[1 - first].wait(timeout=300) == 0, hosts[1 - first].said()
    assert_recorded(mlflow, between.trials("lost"))


def test_what_a_tracking_server_missed_is_completed_by_the_next_command_of_each_host(between, hosts, mlflow, start):
    processes = [start(0, "away"), start(1, "away")]
    wait_for(lambda: any(trial.state.name == "COMPLETE" for trial in between.trials("away")))
    mlflow.kill()
    assert [process.wait(timeout=400) for process in processes] == [0, 0], [host.said() for host in hosts]
    trials = between.trials("away")
    mlflow.start()
    for index, host in enumerate(hosts):
        assert start(index, "away").wait(timeout=300) == 0, host.said()
    assert between.trials("away") == trials
    assert_recorded(mlflow, trials)
