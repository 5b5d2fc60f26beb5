"""Training again what MLflow kept of a run."""

from pathlib import Path

import pytest
import torch

from densenet_sweep.config import composition, run_config
from densenet_sweep.models import named
from densenet_sweep.tracking import store

RUN = (
    "data=digits", "architecture.depth=10", "architecture.growth_rate=4", "optimizer=adamw", "optimizer.betas=[0.8,0.9]",
    "schedule=step", "epochs=2", "data.num_train=200", "data.valid_fraction=0.05",
    "label_smoothing=0.1", "seed=7", "device=cpu", "tracking.system_metrics=false",
)  # fmt: skip

CHOICES = {"architecture": "densenet_bc", "optimizer": "nesterov", "schedule": "cosine", "data": "digits"}

# What depends on the machine's mood.
_OF_THE_MOMENT = ("epoch_seconds", "total_seconds", "images_per_second", "peak_memory_bytes")


def runs(client):
    [experiment] = [it for it in client.search_experiments() if it.name == "densenet_sweep"]
    return client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])


def test_the_same_numbers_come_out_on_a_cpu(command, client):
    assert command(*RUN, "num_threads=2").exit_code == 0
    [first] = runs(client)
    again = command("rerun", first.info.run_id)
    assert again.exit_code == 0, again.err
    assert "optimizer.betas=[0.8,0.9]" in again.out
    assert f"the same numbers as run {first.info.run_id}: valid_accuracy 0." in again.out
    assert torch.get_num_threads() == 1
    _, second = runs(client)
    assert second.data.tags["num_threads"] == "2"
    for key in sorted(first.data.metrics.keys() - set(_OF_THE_MOMENT)):
        one, two = (client.get_metric_history(run.info.run_id, key) for run in (first, second))
        # MLflow orders what was recorded in one millisecond as it likes.
        first_steps, second_steps = (sorted((metric.step, metric.value) for metric in history) for history in (one, two))
        assert first_steps == second_steps, key
    assert first.data.params == {**second.data.params}


def test_something_may_be_different_this_time(command, client, tmp_path):
    command(*RUN, "num_threads=2")
    [first] = runs(client)
    config = Path(client.download_artifacts(first.info.run_id, "config.yaml", str(tmp_path)))
    text = config.read_text()
    config.write_text(text.replace("num_threads: 2\n", ""))  # as older versions wrote it
    assert config.read_text() != text
    client.log_artifact(first.info.run_id, str(config))
    again = command("rerun", first.info.run_id, "epochs=1")
    assert again.exit_code == 0, again.err
    assert "numbers as" not in again.out
    misspelt = command("rerun", first.info.run_id, "sede=1")
    assert (misspelt.exit_code, misspelt.out) == (1, "")
    assert misspelt.err.startswith("densenet-sweep: error: unknown key sede; did you mean seed?")
    params = runs(client)[1].data.params
    assert (params["epochs"], params["num_threads"]) == ("1", "2")


def test_what_cannot_be_trained_again_is_said_in_one_line(command, client):
    store.experiment_id(client, client.tracking_uri, "densenet_sweep", "mlruns/artifacts")
    other = client.create_run(client.get_experiment_by_name("densenet_sweep").experiment_id).info.run_id
    for arguments, message in (
        (["rerun", "0" * 32], f"{'0' * 32}: no such run in tracking.uri=sqlite:///mlruns/mlflow.db; densenet-sweep ui shows"),
        (["rerun", other], f"{other}: keeps no config.yaml; only a run of this project that came to its end does"),
        (["rerun", other, "tracking=none"], "tracking: rerun reads the run from MLflow, and needs tracking=mlflow"),
        (
            ["rerun", other, "tracking.uri=http://127.0.0.1:9"],
            "tracking.uri=http://127.0.0.1:9: cannot be used (Connection refused)",
        ),
    ):
        typed = command(*arguments)
        assert typed.exit_code == 1
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
        assert typed.err.count("\n") == 1


def test_a_trial_that_was_not_recorded_is_found_in_its_folder(command):
    tiny = ("data=digits", "architecture.depth=10", "architecture.growth_rate=4", "optimizer.lr=choice(0.1)", "epochs=1")
    sweep = (
        "sweep=growth_depth_lr",
        *tiny,
        "data.num_train=200",
        "device=cpu",
        "hydra/launcher=basic",
        "hydra/sweeper/pruner=none",
    )
    settings = ("hydra.sweeper.study_name=notrack", "hydra.sweeper.n_trials=1", "hydra.sweeper.enqueue=null")
    typed = command(*sweep, *settings, "tracking=none")
    assert typed.exit_code == 0, typed.err
    again = command("rerun", "notrack/0")
    assert again.exit_code == 0, again.err
    assert "optimizer.lr=0.1" in again.out
    assert named.find("notrack/0", "sqlite:///mlruns/mlflow.db").origin == "trial 0 of study notrack"
    artifacts = Path("outputs/sweeps/notrack/0/artifacts")
    (artifacts / "config.yaml").unlink()
    for path in artifacts.glob("best.pt"):
        path.unlink()
    typed = command("rerun", "notrack/0")
    assert typed.err == (
        f"densenet-sweep: error: notrack/0: has no run in MLflow, and {artifacts / 'config.yaml'} does not exist; only a trial "
        "that came to its end leaves one\n"
    )
    with pytest.raises(ValueError, match=f"^notrack/0: its weights are kept neither in {artifacts} nor in MLflow$"):
        named.find("notrack/0", "sqlite:///mlruns/mlflow.db")


OWN = """
import torch

def steps(network, *, lr, scale):
    return torch.optim.SGD(network.parameters(), lr=lr * scale)
"""


def test_a_tampered_run_is_not_trained_again(command, client, tmp_path):
    client.create_experiment("densenet_sweep", artifact_location=(tmp_path / "kept").as_uri())
    run_id = client.create_run(client.get_experiment_by_name("densenet_sweep").experiment_id).info.run_id
    values = run_config.shown(composition.typed(composition.compose(["data=digits"])))
    (tmp_path / "config.yaml").write_text(run_config.text(CHOICES, values), encoding="utf-8")
    with (tmp_path / "config.yaml").open("a") as file:
        file.write(f'"+hydra.callbacks.x": {{_target_: pathlib.Path.touch, self: {tmp_path}/owned}}\n')
    client.log_artifact(run_id, str(tmp_path / "config.yaml"))
    typed = command("rerun", run_id)
    assert typed.exit_code == 1
    line = (
        f"{run_id}: its config.yaml: +hydra.callbacks.x._target_: what a run has left may say what is trained, and nothing else"
    )
    assert typed.err == f"densenet-sweep: error: {line}\n"
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "outputs").exists()


def test_an_optimizer_of_ones_own_is_trained_and_trained_again(command, client, tmp_path, monkeypatch):
    (tmp_path / "own_package_of_a_test.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "mine" / "optimizer"
    folder.mkdir(parents=True)
    text = "_target_: own_package_of_a_test.steps\nlr: 0.1\nmax_grad_norm: null\nscale: 0.5\n"
    (folder / "steps.yaml").write_text(text, encoding="utf-8")
    own = ("trusted_targets=[own_package_of_a_test.*]", "--config-dir", "mine")
    done = command("data=digits", "architecture.depth=10", "architecture.growth_rate=2", "epochs=1", "device=cpu",
                   "tracking.system_metrics=false", "optimizer=steps", "optimizer.scale=0.7", *own)  # fmt: skip
    assert done.exit_code == 0, done.err
    [first] = runs(client)
    assert (first.data.params["optimizer"], first.data.params["optimizer.scale"]) == ("steps", "0.7")
    assert "trusted_targets" not in first.data.params
    untrusted = command("rerun", first.info.run_id, *own[1:])
    assert untrusted.exit_code == 1
    assert (
        "optimizer._target_=own_package_of_a_test.steps: is neither ours nor trusted; trusted_targets=[own_pack"
        in untrusted.err
    )
    assert command("rerun", first.info.run_id, *own).exit_code == 0
    again = runs(client)[1]
    assert again.data.params == first.data.params
    assert again.data.metrics["train_loss"] == first.data.metrics["train_loss"]
