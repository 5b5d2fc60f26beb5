"""What happens to sweeps of our own networks when something below them fails."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from hydra_async_sweeper.study.storage import open_storage
from waiting import wait_for

SWEEP = (
    "sweep=growth_depth_lr", "data=digits", "hydra.sweeper.study_name=fault", "hydra.sweep.dir=sweep/fault",
    "architecture.growth_rate=choice(4,6)", "architecture.depth=10", "hydra/sweeper/pruner=none",
)  # fmt: skip


@pytest.fixture
def start(commands, tmp_path):
    """Start the sweep with these overrides."""
    return lambda *overrides: commands.start(tmp_path, *SWEEP, *overrides)


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    study = optuna.load_study(study_name="fault", storage=open_storage(None, folder / "sweep" / "fault"))
    return [trial for trial in study.trials if trial.state.name != "WAITING"]


@pytest.fixture
def small_disk(tmp_path: Path, unavailable: Callable[[str], None]) -> Iterator[Path]:
    """A folder with `sweep` in it, a disk of 4 MiB."""
    disk = tmp_path / "sweep"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        unavailable(f"no small disk can be mounted: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(path: Path) -> None:
    room = os.statvfs(path.parent)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        path.write_bytes(bytes(room.f_bavail * room.f_frsize + 1))


@pytest.mark.real("tmpfs")
def test_a_disk_that_is_full_for_a_while_costs_no_trial(small_disk, start):
    filler = small_disk / "sweep" / "filler"
    overrides = ("tracking=none", "data.num_train=300", "epochs=8", "hydra.sweeper.n_trials=2", "hydra.launcher.num_workers=1")
    with start(*overrides) as process:
        wait_for(lambda: (small_disk / "sweep" / "fault" / "0" / "last.pt").exists())
        fill(filler)
        time.sleep(6)
        filler.unlink()
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "No space left on device" in output
    assert [trial.state.name for trial in trials(small_disk)] == ["COMPLETE"] * 2
    assert all(len(trial.intermediate_values) == 8 for trial in trials(small_disk))


def test_an_mlflow_server_that_stops_under_way_costs_no_trial(tmp_path, server, start):
    overrides = (
        f"tracking.uri={server.uri}",
        "tracking.experiment=faults",
        "epochs=8",
        "hydra.sweeper.n_trials=4",
        "hydra.launcher.num_workers=1",
    )
    with start(*overrides) as process:
        wait_for(lambda: (tmp_path / "sweep" / "fault" / "1" / "last.pt").exists())
        server.kill()
        wait_for(lambda: (tmp_path / "sweep" / "fault" / "2" / ".hydra").exists())
        server.start()
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "(Connection refused)" in output
    assert "Traceback" not in output
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE"] * 4
    client = server.client()
    experiment = client.get_experiment_by_name("faults")
    runs = client.search_runs([experiment.experiment_id], "tags.`study` = 'fault'")
    assert {run.info.run_name.partition(":")[0]: run.info.status for run in runs} == dict.fromkeys(
        ["fault", "trial 0", "trial 1", "trial 2", "trial 3"], "FINISHED"
    )
    assert len(runs) == 5
    found = {int(run.data.tags["trial.number"]): run for run in runs if "trial.number" in run.data.tags}
    for trial in trials(tmp_path):
        run = found[trial.number]
        assert run.data.metrics["valid_accuracy"] == trial.value
        history = client.get_metric_history(run.info.run_id, "train_loss")
        assert [metric.step for metric in history] == list(range(1, 9))
        assert "config.yaml" in {file.path for file in client.list_artifacts(run.info.run_id)}
        assert "trial.incomplete" not in run.data.tags
    assert not list(tmp_path.rglob("mlflow_outbox.json"))


def test_a_worker_killed_in_an_epoch_continues_in_the_same_run(tmp_path, start):
    import psutil

    overrides = ("epochs=12", "hydra.sweeper.n_trials=2", "hydra.launcher.num_workers=1", "tracking.system_metrics=false")
    with start(*overrides) as process:
        wait_for(lambda: (tmp_path / "sweep" / "fault" / "0" / "artifacts" / "best.pt").exists())
        wait_for(lambda: len(trials(tmp_path)[0].intermediate_values) >= 2)
        [worker] = [it for it in psutil.Process(process.pid).children() if "local_process" in " ".join(it.cmdline())]
        os.kill(worker.pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "trial 0 (attempt 2)" in output
    assert "continuing after epoch" in output
    found = trials(tmp_path)
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 2
    assert len(found[0].intermediate_values) == 12

    from densenet_sweep.tracking.store import connect

    client = connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("densenet_sweep")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name.partition(":")[0] for run in runs) == ["fault", "trial 0", "trial 1"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    [first] = [run for run in runs if run.info.run_name.startswith("trial 0:")]
    assert [metric.step for metric in client.get_metric_history(first.info.run_id, "valid_accuracy")] == list(range(1, 13))
