"""From a finished sweep to a champion, on scikit-learn's digits."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
import yaml
from hydra_async_sweeper.study.storage import open_storage

from densenet_sweep.confirm import pairs
from densenet_sweep.data import sources
from densenet_sweep.data.images import Source
from densenet_sweep.run import splits
from densenet_sweep.run.network_training import NetworkTraining
from densenet_sweep.tracking import store

TINY = ("data=digits", "architecture.depth=10", "device=cpu", "precision=fp32", "tracking.system_metrics=false")
SWEEP = (
    "sweep=growth_depth_lr", *TINY, "hydra.sweeper.study_name=small", "hydra/launcher=basic", "hydra/sweeper/pruner=none",
    "epochs=2", "architecture.growth_rate=choice(2,3,4)", "hydra.sweeper.n_trials=3",
    "hydra.sweeper.enqueue=[{architecture.growth_rate:2,optimizer.lr:0.1},{architecture.growth_rate:3,optimizer.lr:0.1},"
    "{architecture.growth_rate:4,optimizer.lr:0.1}]",
)  # fmt: skip
CONFIRM = ("confirm", "small", "hydra/launcher=basic", "device=cpu", "precision=fp32", "tracking.system_metrics=false")
NAME = "small-confirmation-of-3"


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """Every source of digits that is made, so that the reads of its test set can be counted."""
    made: list[Source] = []
    read = sources.digits

    def remembered(root: str, *, download: bool) -> Source:
        made.append(read(root, download=download))
        return made[-1]

    monkeypatch.setattr(sources, "digits", remembered)
    splits._read.cache_clear()
    return made


@pytest.fixture(scope="module")
def a_sweep(tmp_path_factory: pytest.TempPathFactory, empty_database: Path, commands: Any) -> Path:
    """A folder with a finished sweep."""
    root = tmp_path_factory.mktemp("swept")
    (root / "mlruns").mkdir()
    shutil.copy(empty_database, root / "mlruns" / "mlflow.db")
    exit_code, output = commands.run(root, *SWEEP)
    assert exit_code == 0, output
    return root


@pytest.fixture
def swept(a_sweep: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    shutil.copytree(a_sweep, tmp_path, dirs_exist_ok=True)
    return tmp_path


def folder(root: Path) -> Path:
    return root / "outputs" / "confirmations" / NAME


def confirmation(root: Path) -> optuna.Study:
    return optuna.load_study(study_name=NAME, storage=open_storage(None, folder(root)))


def test_a_sweep_is_confirmed_and_names_a_champion(command, tmp_path, empty_database, digits):
    swept = tmp_path
    (swept / "mlruns").mkdir()
    shutil.copy(empty_database, swept / "mlruns" / "mlflow.db")
    assert command(*SWEEP).exit_code == 0
    assert [source.load_test.num_reads for source in digits] == [0]  # neither training nor the sweep has read it
    typed = command(*CONFIRM, "--top", "2", "--seeds", "2")
    assert typed.exit_code == 0, typed.err + typed.out
    assert sum(source.load_test.num_reads for source in digits) == 4  # once a run

    trials = confirmation(swept).trials
    assert {(trial.params["experiment"], trial.params["seed"]) for trial in trials} == {
        (f"trial_{number}", seed) for number in finalists(swept) for seed in (1000, 1001)
    }
    assert "confirmation of small: test accuracy over 2 seeds" in typed.out
    assert "Champion: trial " in typed.out
    assert "P(A > B)" in typed.out
    assert "best " not in typed.out.partition("confirmation of")[0]  # repetitions have no best
    said = json.loads((folder(swept) / "confirmation.json").read_text())
    assert said["champion"] in finalists(swept)
    for trial in trials:
        right = np.load(folder(swept) / str(trial.number) / "artifacts" / "test_right.npy")
        assert right.mean() == pytest.approx(trial.value)
        assert torch.load(folder(swept) / str(trial.number) / "artifacts" / "final.pt")["epoch"] == 2

    client = store.connect(f"sqlite:///{swept}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("densenet_sweep").experiment_id
    [parent] = client.search_runs([experiment], f"tags.study = '{NAME}' AND tags.role = 'study'")
    assert parent.data.tags["confirms"] == "small"
    assert parent.data.tags["champion.trial"] == str(said["champion"])
    for finalist in said["finalists"]:
        name = f"trial_{finalist['trial']}_test_accuracy"
        assert parent.data.metrics[f"{name}_mean"] == pytest.approx(finalist["mean"])
        assert parent.data.metrics[f"{name}_sd"] == pytest.approx(finalist["deviation"])
    assert parent.data.metrics["test_accuracy"] == parent.data.metrics[f"trial_{said['champion']}_test_accuracy_mean"]
    note = parent.data.tags["mlflow.note.content"]
    assert f"Study `{NAME}`: 4 runs, each of them measuring `test_accuracy` once." in note
    assert "valid_accuracy`" not in note
    assert "| mean | sd |" in note
    assert "| P(A > B) |" in note
    assert f"Champion: trial {said['champion']}" in note
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(runs) == 4
    for run in runs:
        assert run.data.tags["confirms"] == "small"
        assert run.data.tags["final"] == "true"
        assert run.info.run_name == f"trial {run.data.tags['confirms.trial']}, seed {run.data.params['seed']}"
        assert "valid_accuracy" not in run.data.metrics
        [metric] = client.get_metric_history(run.info.run_id, "test_accuracy")
        assert metric.step == 2

    version = client.get_model_version_by_alias("densenet-sweep", "champion")
    assert version.tags["study"] == "small"
    assert version.tags["trial"] == str(said["champion"])
    assert f"Champion: trial {said['champion']}" in version.description
    assert client.get_run(version.run_id).data.params["seed"] == "1000"
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"confirmation.json", "champion.yaml"}

    assert command("compare", NAME).out.strip() in typed.out  # the same table again
    assert "study small" in command("compare").out  # the last search is meant, not what confirms it

    # A report of the sweep tells of it.
    assert command("compare", "small", "--html", "report.html").exit_code == 0
    report = Path("report.html").read_text()
    assert "Confirmation of small: test accuracy over 2 seeds" in report
    assert "<th>P(A &gt; B)</th>" in report
    assert "its confirmation reads them once a run" in report
    assert command("compare", NAME, "--html", "other.html").err == (
        f"densenet-sweep: error: --html: {NAME} is a confirmation; the report of the study that it confirms tells of it\n"
    )

    # The champion's file gives the same numbers again.
    champion = yaml.safe_load((folder(swept) / "experiment" / "champion.yaml").read_text())
    assert champion["seed"] == 1000
    first = next(trial for trial in trials if trial.params == {"experiment": f"trial_{said['champion']}", "seed": 1000})
    again = command("final", "--config-dir", str(folder(swept)), "experiment=champion", "tracking=none", "hydra.run.dir=again")
    assert again.exit_code == 0, again.err
    assert np.load("again/artifacts/test_right.npy").mean() == pytest.approx(first.value)
    # And so does the run that MLflow keeps of it.
    rerun = command("rerun", first.user_attrs["mlflow_run_id"], "tracking.system_metrics=false", "hydra.run.dir=rerun")
    assert rerun.exit_code == 0, rerun.err
    assert np.load("rerun/artifacts/test_right.npy").mean() == pytest.approx(first.value)


def finalists(root: Path) -> list[int]:
    """The two best trials of the sweep, as Optuna has them."""
    study = optuna.load_study(study_name="small", storage=open_storage(None, root / "outputs" / "sweeps" / "small"))
    return [trial.number for trial in sorted(study.trials, key=lambda trial: -trial.value)[:2]]


def test_more_seeds_and_finalists_are_added_to_what_has_run(command, swept):
    command(*CONFIRM, "--top", "1", "--seeds", "2")
    before = [trial.value for trial in confirmation(swept).trials]
    typed = command(*CONFIRM, "--top", "2", "--seeds", "3")
    assert typed.exit_code == 0, typed.err
    after = confirmation(swept).trials
    assert [trial.value for trial in after[:2]] == before
    assert len(after) == 6
    assert "over 3 seeds" in typed.out
    done = command(*CONFIRM, "--top", "2", "--seeds", "3")
    assert len(confirmation(swept).trials) == 6
    refused = command(*CONFIRM, "--top", "2", "--seeds", "3", "--until-decided")
    assert refused.err.startswith(f"densenet-sweep: error: --until-decided: {NAME} was begun without it; hydra.sweeper.study_")
    assert "Champion: trial " in done.out


def test_an_interrupted_confirmation_continues(command, swept, monkeypatch):
    evaluate, ended = NetworkTraining.evaluate, []

    def interrupted(*arguments, **named):
        ended.append(1)
        if len(ended) == 7:
            raise KeyboardInterrupt
        return evaluate(*arguments, **named)

    monkeypatch.setattr(NetworkTraining, "evaluate", interrupted)
    monkeypatch.setattr(pairs, "LEVEL", -1.0)  # nothing is significant
    until_decided = (*CONFIRM, "--top", "2", "--seeds", "4", "--until-decided")
    typed = command(*until_decided)
    assert typed.exit_code == 130
    assert "2 runs are still to come, so no champion is named." in typed.out
    words = "continue with:\n  densenet-sweep confirm small --top=2 --seeds=4 --until-decided hydra/launcher=basic"
    assert words in typed.out + typed.err
    assert not (folder(swept) / "experiment" / "champion.yaml").exists()
    before = [trial.value for trial in confirmation(swept).trials if trial.value is not None]
    assert len(before) == 6  # three seeds, before the first look
    again = command(*until_decided)
    assert again.exit_code == 0, again.err
    assert "continuing after epoch 2 of 2" in again.out
    assert "Champion: trial " in again.out
    assert [trial.value for trial in confirmation(swept).trials][: len(before)] == before
    trials = confirmation(swept).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 8
    assert {trial.params["seed"] for trial in trials[6:]} == {1003}

    # Another number of seeds would not hold the error.
    refused = command(*CONFIRM, "--top", "2", "--seeds", "5", "--until-decided")
    assert refused.err.startswith(f"densenet-sweep: error: --seeds 5: {NAME} spends its error of 5 % over 4 seeds; hydra.sweep")


def test_a_longer_training_is_a_confirmation_of_its_own(command, swept):
    typed = command(*CONFIRM, "--top", "1", "--seeds", "2", "epochs=3", "hydra.sweeper.study_name=longer")
    assert typed.exit_code == 0, typed.err
    longer = swept / "outputs" / "confirmations" / "longer"
    assert yaml.safe_load((longer / "0" / "artifacts" / "config.yaml").read_text())["epochs"] == 3
    command(*CONFIRM, "--top", "1", "--seeds", "2")
    refused = command(*CONFIRM, "--top", "1", "--seeds", "2", "epochs=3")
    assert refused.exit_code == 1
    assert refused.err.startswith(f"densenet-sweep: error: epochs: now 3, but the study {NAME} has 10; another hydra.sweeper.")


def test_the_config_of_a_finalist_comes_from_mlflow_where_its_folder_has_gone(command, swept):
    for number in range(3):
        shutil.rmtree(swept / "outputs" / "sweeps" / "small" / str(number))
    typed = command(*CONFIRM, "--top", "1", "--seeds", "2")
    assert typed.exit_code == 0, typed.err
    assert "Champion: trial " in typed.out
    [option] = (swept / "outputs" / "confirmations" / NAME / "experiment").glob("*trial*.yaml")
    assert "num_threads" not in option.read_text()  # the sweep's workers had theirs


def test_bad_input_costs_one_line(command, swept):
    for arguments, message in (
        (["confirm", "smal"], "smal: no such study; did you mean small?; there are small"),
        (["confirm", "small", "--top", "0"], "--top 0: a whole number of at least 1 is accepted"),
        (
            ["confirm", "small", "--seeds", "1"],
            "--seeds 1: a whole number of at least 2 is accepted; one says",
        ),
        (["confirm", "small", "other"], "small other: one study is confirmed at a time"),
        (["confirm", "small", "epochs=0"], "epochs=0: a whole number of at least 1 is accepted"),
        (["confirm", "small", "epoch=3"], "unknown key epoch; did you mean epochs?"),
        (["final", "-m", "seed=1"], "--multirun: final trains one network; confirm compares the best of a sweep"),
        (["final", "seed=1,2"], "seed=1,2: final trains one network; confirm compares the best of a sweep"),
        (
            ["final", "hydra.mode=MULTIRUN"],
            "hydra.mode=MULTIRUN: final trains one network; confirm compares the best of a sweep",
        ),
        (["final", "sweep=quickstart"], "sweep=quickstart: final trains one network; confirm compares the best of a sweep"),
    ):
        typed = command(*arguments)
        assert typed.exit_code == 1
        assert typed.err.startswith(f"densenet-sweep: error: {message}"), typed.err
        assert typed.err.count("\n") == 1
        assert typed.out == ""
    assert not folder(swept).parent.exists()


def test_a_study_without_a_complete_trial_has_nothing_to_confirm(command, tmp_path):
    at = tmp_path / "outputs" / "sweeps" / "none"
    optuna.create_study(study_name="none", storage=open_storage(None, at))
    (at / "study.yaml").write_text("study_name: none\nstorage: null\n")
    typed = command("confirm", "none")
    assert typed.err == "densenet-sweep: error: none: has no complete trial, so there is nothing to confirm\n"


def test_a_sweep_of_another_objective_is_confirmed_by_it(command, tmp_path):
    def untracked(words: tuple[str, ...]) -> list[str]:
        return [*(word for word in words if not word.startswith("tracking.")), "tracking=none"]

    swept = command(*untracked(SWEEP), "objective=log_loss", "epochs=1", "data.num_train=200", "hydra.sweeper.n_trials=2")
    assert swept.exit_code == 0, swept.err
    assert "One log loss on 288 validation images is uncertain by 0.0" in swept.out
    assert "with 95 %, by bootstrap" in swept.out
    name = "small-confirmation-of-2"
    typed = command(*untracked(CONFIRM), "--top", "2", "--seeds", "2", "data.num_train=200")
    assert typed.exit_code == 0, typed.err + typed.out
    assert "confirmation of small: test log loss over 2 seeds" in typed.out
    study = optuna.load_study(study_name=name, storage=open_storage(None, folder(tmp_path).with_name(name)))
    assert study.direction.name == "MINIMIZE"
    assert all(trial.value > 1 and 0 < trial.user_attrs["uncertainty"]["deviation"] < 0.1 for trial in study.trials)
    said = json.loads((folder(tmp_path).with_name(name) / "confirmation.json").read_text())
    first, second = said["finalists"]
    assert first["mean"] < second["mean"]
    champion = (folder(tmp_path).with_name(name) / "experiment" / "champion.yaml").read_text()
    assert "with a test log loss of" in champion
    assert yaml.safe_load(champion)["objective"] == "valid_log_loss"
    again = command(*untracked(CONFIRM), "--top", "2", "--seeds", "2", "data.num_train=200")
    assert again.exit_code == 0, again.err


def test_a_network_of_ones_own_is_swept_and_confirmed(command, tmp_path, monkeypatch, empty_database):
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    (tmp_path / "own" / "architecture").mkdir(parents=True)
    (tmp_path / "own" / "architecture" / "pooled.yaml").write_text(
        "_target_: pooled_network.pooled\nsize: 4\nin_channels: ${data.num_channels}\nnum_classes: ${data.num_classes}\n"
    )
    (tmp_path / "own" / "sweep").mkdir()
    (tmp_path / "own" / "sweep" / "pooled.yaml").write_text(
        "# @package _global_\ndefaults: [_study, override /architecture: pooled, _self_]\n"
        "hydra: {sweeper: {n_trials: 2, params: {architecture.size: 'choice(2,4)'}}}\n"
    )
    (tmp_path / "pooled_network.py").write_text(
        "from torch import nn\n\n\ndef pooled(*, size, in_channels, num_classes):\n"
        "    pool = nn.AdaptiveAvgPool2d(size)\n"
        "    return nn.Sequential(pool, nn.Flatten(), nn.Linear(size * size * in_channels, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = ("--config-dir", "own", "trusted_targets=[pooled_network.*]")
    quick = ("data=digits", "epochs=1", "device=cpu", "precision=fp32", "tracking.system_metrics=false", "hydra/launcher=basic")
    swept = command(*own[:2], "sweep=pooled", own[2], *quick)
    assert swept.exit_code == 0, swept.err
    untrusted = command("confirm", "pooled-digits", "--top", "1", "--seeds", "2", *quick[2:], "--config-dir", "own")
    assert untrusted.exit_code == 1
    assert "architecture._target_=pooled_network.pooled: is neither ours nor trusted" in untrusted.err
    confirmed = command("confirm", "pooled-digits", "--top", "1", "--seeds", "2", *quick[2:], *own)
    assert confirmed.exit_code == 0, confirmed.err
    version = store.connect("sqlite:///mlruns/mlflow.db").get_model_version_by_alias("densenet-sweep", "champion")
    assert version.tags["study"] == "pooled-digits"
