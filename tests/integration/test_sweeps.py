"""Small sweeps, as they are typed."""

import re
import signal

import yaml
from small_runs import NOTHING, SWEEP, TINY, history, recorded


def test_a_sweep_and_its_record(command, tmp_path):
    typed = command(*SWEEP, "hydra.sweeper.pruner.reduction_factor=2")
    assert typed.exit_code == 0, typed.err
    folder = tmp_path / "outputs" / "sweeps" / "growth_depth_lr-digits"
    assert (folder / "study.journal").is_file()
    assert not list(folder.glob("*/last.pt"))  # finished trials are never continued
    assert "study growth_depth_lr-digits" in typed.out
    for following in ("densenet-sweep ui", "densenet-sweep compare growth_depth_lr-digits", "experiment=best"):
        assert following in typed.out
    runs = recorded(tmp_path)
    [parent] = [run for run in runs if run.data.tags.get("role") == "study"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.data.tags["trial.number"] for run in children) == ["0", "1", "2"]
    states = {run.data.tags["trial.state"]: run.info.status for run in children}
    assert states.items() <= {"complete": "FINISHED", "pruned": "KILLED"}.items()
    assert parent.info.status == "FINISHED"
    compared = command("compare")
    assert "growth_depth_lr-digits" in compared.out
    assert compared.exit_code == 0
    best = command("--config-dir", str(folder), "experiment=best", "--cfg", "job")
    from densenet_sweep.results.studies import find

    trial = find(None).load().best_trial
    job = yaml.safe_load(best.out)
    assert job["architecture"]["growth_rate"] == trial.params["architecture.growth_rate"]
    assert job["optimizer"]["lr"] == trial.params["optimizer.lr"]
    assert job["epochs"] == 2
    assert job["num_threads"] == 1
    again = command("--config-dir", str(folder), "experiment=best", "device=cpu", *NOTHING)
    assert f"the same numbers as trial {trial.number} of study growth_depth_lr-digits: valid_accuracy 0." in again.out


def test_a_killed_command_leaves_no_run_open_after_the_next(commands, tmp_path):
    arguments = [*SWEEP, "epochs=60", "hydra.sweeper.n_trials=1", "hydra/sweeper/pruner=none"]
    with commands.start(tmp_path, *arguments) as process:
        for line in process.stdout:
            if "epoch 2/60" in line:
                process.send_signal(signal.SIGKILL)
                break
    [study] = (tmp_path / "outputs").glob("**/study.journal")
    assert (study.parent / "0" / "last.pt").exists()
    # Less to do for the second: the trial is continued, in the same run of MLflow, and stopped as a user would.
    with commands.start(tmp_path, *arguments) as process:
        seen, interrupted = [], False
        for line in process.stdout:
            seen.append(line)
            if not interrupted and re.search(r"epoch \d+/60 ", line):  # the first of it, wherever the killed one had got
                process.send_signal(signal.SIGINT)
                interrupted = True
    assert any("continuing after epoch" in line for line in seen), seen
    assert any("continue with:" in line for line in seen), seen
    runs = recorded(tmp_path)
    assert len(runs) == 2
    assert {run.info.status for run in runs} == {"KILLED"}


def test_a_budget_of_seconds(command, tmp_path):
    folder = tmp_path / "run"
    typed = command(*TINY, *NOTHING, "epochs=10000", "max_seconds=2", f"hydra.run.dir={folder}")
    assert typed.exit_code == 0, typed.err
    trained = history(folder)
    assert 1 <= len(trained) < 10000
    assert sum(epoch["epoch_seconds"] for epoch in trained) >= 2
    assert (folder / "artifacts" / "confusion.png").is_file()
    again = command(*TINY, *NOTHING, "epochs=10000", "max_seconds=2", f"hydra.run.dir={folder}")
    assert again.exit_code == 0, again.err
    assert history(folder) == trained


def test_how_many_epochs_a_budget_of_seconds_gives_is_not_known(command):
    typed = command(*SWEEP, "hydra/launcher=basic", "epochs=1000", "max_seconds=1", "rungs=[]", "hydra.sweeper.n_trials=1")
    assert typed.exit_code == 0, typed.err
    from densenet_sweep.results.studies import find

    [trial] = find(None).load().trials
    assert trial.state.name == "COMPLETE"
    assert "num_steps" not in trial.user_attrs


def test_a_sweep_of_a_loss_minimizes_it(command, tmp_path):
    typed = command(*SWEEP, "hydra/launcher=basic", "objective=valid_loss", "hydra.sweeper.n_trials=1")
    assert typed.exit_code == 0, typed.err
    [description] = (tmp_path / "outputs").glob("**/study.yaml")
    assert yaml.safe_load(description.read_text())["directions"] == ["minimize"]
