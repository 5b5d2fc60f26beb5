import subprocess
import sys

import pytest

from densenet_sweep.tracking import store
from densenet_sweep.tracking.dead_runs import close_dead_runs
from densenet_sweep.tracking.run import process_tags


@pytest.fixture
def experiment(client, tracking) -> str:
    return store.experiment_id(client, tracking["uri"], tracking["experiment"], tracking["artifact_location"])


def dead_process() -> str:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return str(process.pid)


def test_only_runs_of_dead_processes_of_this_machine_are_closed(client, experiment):
    tags = {
        "alive": process_tags(),
        "died": {**process_tags(), "process": dead_process()},
        "given anew": {**process_tags(), "process.start": "1.0"},
        "elsewhere": {**process_tags(), "host": "another", "process": dead_process()},
        "untold": {},
    }
    runs = {name: client.create_run(experiment, tags=each).info.run_id for name, each in tags.items()}
    ended = client.create_run(experiment, tags={**process_tags(), "process": dead_process()}).info.run_id
    client.set_terminated(ended, status="FAILED")
    assert close_dead_runs(client, experiment) == 2
    statuses = {name: client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert statuses == {
        "alive": "RUNNING", "died": "KILLED", "given anew": "KILLED", "elsewhere": "RUNNING", "untold": "RUNNING"
    }  # fmt: skip
    assert client.get_run(runs["died"]).data.tags["trial.reason"] == "its process died"
    assert client.get_run(ended).info.status == "FAILED"
    assert close_dead_runs(client, experiment) == 0
