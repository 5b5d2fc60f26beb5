"""Rungs of a sweep."""

import signal

import pytest
from small_runs import SWEEP, history, recorded

from densenet_sweep.run import reporting

RUNGS = [
    *SWEEP, "hydra/launcher=basic", "precision=fp32", "epochs=4", "rungs=[1,3]", "hydra.sweeper.n_trials=4",
    "hydra.sweeper.enqueue=[{architecture.growth_rate:6,optimizer.lr:0.1},{architecture.growth_rate:4,optimizer.lr:0.01}]",
]  # fmt: skip


def test_rungs_come_before_a_trial_and_change_nothing_in_it(command, tmp_path):
    # Without promotions, as the best would be one of them on some processors.
    typed = command(*RUNGS, "hydra/sweeper/pruner=promotion", "hydra.sweeper.pruner.at_least=2")
    assert typed.exit_code == 0, typed.err
    assert "pruned after the rung of 1 epoch\n" in typed.out
    from densenet_sweep.results.studies import find

    folder = tmp_path / "outputs" / "sweeps" / "growth_depth_lr-digits"
    study = find(None).load()
    best = study.best_trial
    assert sorted(best.intermediate_values) == [1, 2, 3, 4]
    plain = command("--config-dir", str(folder), "experiment=best", "device=cpu", f"hydra.run.dir={tmp_path / 'plain'}")
    assert plain.exit_code == 0, plain.err
    assert "rung" not in plain.out
    alone = history(tmp_path / "plain")
    assert alone[-1]["valid_accuracy"] == best.value
    # What stands at a rung's epoch is what the rung gave: a cosine that had ended by then.
    assert best.intermediate_values[1] != alone[0]["valid_accuracy"]
    assert best.intermediate_values[2] == alone[1]["valid_accuracy"]
    assert best.user_attrs["at_rungs"] == {str(rung): alone[rung - 1]["valid_accuracy"] for rung in (1, 3)}
    runs = {run.data.tags["trial.number"]: run for run in recorded(tmp_path) if "trial.number" in run.data.tags}
    complete = runs[str(best.number)].data.metrics
    assert complete["rung_1_valid_accuracy"] == best.intermediate_values[1]
    assert complete["valid_accuracy"] == best.value
    assert best.user_attrs["rung_seconds"] == complete["rung_1_seconds"] + complete["rung_3_seconds"]
    assert best.user_attrs["seconds"] == complete["total_seconds"]
    pruned = next(trial for trial in study.trials if trial.state.name == "PRUNED")
    assert (
        runs[str(pruned.number)].data.metrics["valid_accuracy"] == pruned.intermediate_values[max(pruned.intermediate_values)]
    )


def test_a_promoted_trial_trains_its_rung_no_more_and_is_what_a_plain_run_would_be(command, tmp_path):
    arguments = ["hydra.sweeper.enqueue=[]", "rungs=[1]", "hydra.sweeper.pruner.at_least=1"]
    typed = command(*RUNGS, *arguments)
    assert typed.exit_code == 0, typed.err
    from densenet_sweep.results.studies import find

    study = find(None).load()
    [complete] = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    origin = study.trials[complete.user_attrs["promoted_from"]["trial"]]
    assert f"trial {complete.number} continues trial {origin.number}" in typed.out
    assert f"trial {complete.number} rung" not in typed.out
    assert sorted(complete.intermediate_values) == [1, 2, 3, 4]
    assert complete.intermediate_values[1] == origin.intermediate_values[1]
    folder = tmp_path / "outputs" / "sweeps" / "growth_depth_lr-digits"
    plain = command("--config-dir", str(folder), "experiment=best", "device=cpu", f"hydra.run.dir={tmp_path / 'plain'}")
    assert plain.exit_code == 0, plain.err
    assert history(tmp_path / "plain")[-1]["valid_accuracy"] == complete.value
    [run] = [run for run in recorded(tmp_path) if run.data.tags.get("trial.number") == str(complete.number)]
    assert run.data.tags["trial.promoted_from"] == str(origin.number)
    assert run.info.run_name.startswith(f"trial {complete.number} (from {origin.number}): bc L10 k4 lr ")
    assert run.data.metrics["rung_1_valid_accuracy"] == origin.intermediate_values[1]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    assert [it.step for it in client.get_metric_history(run.info.run_id, "valid_accuracy")] == [1, 2, 3, 4]
    # One meaning of what a trial took, here and in MLflow: its rung included, which another trial trained.
    assert run.data.metrics["passed_seconds"] == origin.user_attrs["seconds"]
    epochs = [it.value for it in client.get_metric_history(run.info.run_id, "epoch_seconds")]
    assert run.data.metrics["total_seconds"] == pytest.approx(origin.user_attrs["seconds"] + sum(epochs))
    assert complete.user_attrs["seconds"] == run.data.metrics["total_seconds"]
    away = tmp_path / "away"
    here = command("compare", "growth_depth_lr-digits", "--format", "csv").out
    (tmp_path / "outputs").rename(away)
    assert command("compare", "growth_depth_lr-digits", "--format", "csv").out == here


def test_a_rung_of_smaller_images_changes_nothing_in_the_training(command, tmp_path):
    from densenet_sweep.results.studies import find

    arguments = [*RUNGS, "data.image_size=10", "rungs=[1]", "epochs=2", "hydra.sweeper.n_trials=1"]
    trials = {}
    for scale in (1, 0.5):
        typed = command(*arguments, f"rung_scale={scale}", f"hydra.sweeper.study_name=scale{scale}")
        assert typed.exit_code == 0, typed.err
        trials[scale] = find(f"scale{scale}").load().trials[0]
    assert trials[0.5].value == trials[1].value
    assert trials[0.5].intermediate_values[1] != trials[1].intermediate_values[1]
    # What the rung gave is what a training of its length gives on images of its size.
    best = ["--config-dir", str(tmp_path / "outputs" / "sweeps" / "scale0.5"), "experiment=best", "device=cpu"]
    plain = command(*best, "epochs=1", "data.image_size=5", f"hydra.run.dir={tmp_path / 'plain'}")
    assert plain.exit_code == 0, plain.err
    [alone] = history(tmp_path / "plain")
    # Those were resized once, not twice, so that levels of grey differ a little.
    assert trials[0.5].intermediate_values[1] == pytest.approx(alone["valid_accuracy"], abs=0.1)


def test_what_a_rung_decided_stands_where_the_process_died_before_it_said_so(command, tmp_path, monkeypatch):
    def dies(_):
        raise KeyboardInterrupt

    arguments = [*RUNGS, "hydra.sweeper.enqueue=[]", "rungs=[1]", "hydra.sweeper.n_trials=1"]
    arguments += ["hydra.sweeper.pruner.at_least=0"]
    with monkeypatch.context() as first:
        first.setattr(reporting, "TrialPruned", dies)
        assert command(*arguments).exit_code != 0
    typed = command(*arguments, "hydra.sweeper.pruner.reduction_factor=1")  # by now it would be trained
    assert typed.exit_code == 0, typed.err
    from mlflow import MlflowClient

    [run] = [run for run in recorded(tmp_path) if "trial.number" in run.data.tags]
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    steps = [it.step for it in client.get_metric_history(run.info.run_id, "valid_accuracy")]
    assert steps == [1]
    assert run.data.tags["trial.state"] == "pruned"


def test_a_dry_run_foresees_a_sweep_and_writes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.setattr("densenet_sweep.run.first_epoch.seconds", lambda *_, **settings: settings["num_train"] / 100)
    before = sorted(tmp_path.rglob("*"))
    sweep = ["sweep=growth_depth_lr", "data=digits", "data.num_train=200", "--dry-run", "hydra.sweeper.n_jobs=2"]
    typed = command(*sweep, "hydra/sweeper/pruner=none", "epochs=3", "hydra.sweeper.n_trials=6")
    assert typed.exit_code == 0, typed.err
    for line in (
        "study growth_depth_lr-digits: 6 trials",
        "trials    all trained in full (3 epochs)",
        "epochs    about 18 epochs of training in all",
        "in all    about 18 seconds with 2 workers",
    ):
        assert line in typed.out
    assert "mean 2 s (measured on the processor with random pixels, 5 configurations)" in typed.out
    whole, half = (
        command(*sweep, "rungs=[1]", f"rung_scale={scale}", "epochs=4", "hydra.sweeper.n_trials=9", "hydra.sweeper.enqueue=[]")
        for scale in (1, 0.5)
    )
    ended = command(*sweep, "hydra/sweeper/pruner=none", "hydra.sweeper.stop_when={gain: 0.1, trials: 2}")
    assert "study growth_depth_lr-digits: at most 24 trials" in ended.out, ended.err
    # Three trials train 4 epochs of 2 seconds; the rungs before them cost as much as an epoch each, or as a quarter.
    assert "in all    about 18 seconds with 2 workers" in whole.out, whole.out
    assert "in all    about 14 seconds with 2 workers" in half.out, half.out
    refused = command(*sweep, "epochs=0").err
    assert refused.endswith("epochs=0: a whole number of at least 1 is accepted\n")
    assert refused.count("\n") == 1
    assert command("data=digits", "--dry-run").err.startswith("densenet-sweep: error: --dry-run: a sweep is accepted")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_without_a_pruner_has_no_rungs(command):
    typed = command(*RUNGS, "hydra/sweeper/pruner=none", "hydra.sweeper.n_trials=1")
    assert typed.exit_code == 0, typed.err
    assert "rung" not in typed.out


def test_a_killed_trial_is_continued_behind_its_rungs(command, commands, tmp_path):
    arguments = [*RUNGS, "data.num_train=300", "epochs=20", "hydra.sweeper.n_trials=1"]
    with commands.start(tmp_path, *arguments) as process:
        seen = ""
        for line in process.stdout:
            seen += line
            if "epoch 2/20" in line:
                process.send_signal(signal.SIGKILL)
                break
    assert " rung 1/1 " in seen
    assert " rung 3/3 " in seen
    again = command(*arguments)
    assert again.exit_code == 0, again.err
    assert "continuing after epoch" in again.out
    assert " rung 1/1 " not in again.out
