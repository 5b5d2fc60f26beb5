"""Whole runs that start from weights, in this process, on scikit-learn's digits."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from mlflow import MlflowClient

from densenet_sweep.config import composition
from densenet_sweep.models import trained
from densenet_sweep.run import folder as run_folder
from densenet_sweep.run import reporting
from densenet_sweep.run.recording import Job
from densenet_sweep.run.train import train

TINY = [
    "data=digits",
    "architecture.depth=10",
    "architecture.growth_rate=4",
    "device=cpu",
    "precision=fp32",
    "data.num_train=200",
]
NOTHING = ["tracking=none"]


def last(folder: Path) -> dict:
    return torch.load(folder / "last.pt", weights_only=True)


def numbers(folder: Path) -> list[tuple[float, ...]]:
    keys = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr")
    return [tuple(epoch[key] for key in keys) for epoch in last(folder)["history"]]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of an earlier run on other pictures."""
    folder = tmp_path_factory.mktemp("earlier")
    overrides = [*TINY, *NOTHING, "epochs=1", "data.split_seed=7"]
    choices = {"architecture": "densenet_bc", "optimizer": "nesterov", "schedule": "cosine", "data": "digits"}
    train(composition.typed(composition.compose(overrides)), Job(folder, choices, overrides))
    return folder / "artifacts"


@pytest.fixture
def weights(earlier, tmp_path) -> Path:
    """What it has kept, to be changed at will."""
    return Path(shutil.copy(earlier / "best.pt", tmp_path / "best.pt"))


def test_the_head_alone_is_trained_and_pictures_are_normalized_as_before(weights, command, tmp_path):
    arguments = [f"architecture.weights={weights}", "architecture.num_classes=12", "finetune.freeze=features", "epochs=2"]
    typed = command(*TINY, *NOTHING, *arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert typed.exit_code == 0, typed.err
    before, after = torch.load(weights, weights_only=True), last(tmp_path / "run")["network"]
    count = len(before["network"]) - 2
    said = f"architecture.weights={weights} (file best.pt): loaded {count} tensors; drawn classifier.weight, classifier.bias; "
    assert typed.out.count(said) == 1
    features = [name for name in after if name.startswith("features.")]
    assert len(features) == count
    assert all(torch.equal(after[name], before["network"][name]) for name in features)
    kept = torch.load(tmp_path / "run" / "artifacts" / "best.pt", weights_only=True)
    assert (kept["mean"], kept["std"]) == (before["mean"], before["std"])
    weights.unlink()  # what a run has kept needs its beginning no more
    classifier = trained.classifier(tmp_path / "run" / "artifacts")
    assert torch.equal(classifier.network.features.conv0.weight, before["network"]["features.conv0.weight"])


@pytest.mark.parametrize(("override", "from_data"), [("finetune.statistics=data", True), ("data.normalize=false", False)])
def test_the_config_decides_whose_statistics_are_taken(override, from_data, weights, command, tmp_path):
    plain = command(*TINY, *NOTHING, "epochs=1", *([] if from_data else [override]), f"hydra.run.dir={tmp_path / 'plain'}")
    assert plain.exit_code == 0, plain.err
    typed = command(
        *TINY, *NOTHING, "epochs=1", f"architecture.weights={weights}", override, f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert typed.exit_code == 0, typed.err
    kept, plainly = (torch.load(tmp_path / name / "artifacts" / "best.pt", weights_only=True) for name in ("run", "plain"))
    assert (kept["mean"], kept["std"]) == (plainly["mean"], plainly["std"])


def test_an_interrupted_fine_tuning_gives_the_numbers_of_an_uninterrupted_one(weights, command, tmp_path, monkeypatch):
    line_of = reporting.line_of

    def interrupted(epoch, *others):
        if epoch.index == stop_at:
            raise KeyboardInterrupt
        return line_of(epoch, *others)

    fine = ["finetune.freeze=denseblock2", "finetune.unfreeze_after=2", "finetune.lr_factor=0.3", "architecture.drop_rate=0.2"]
    common = [*TINY, *NOTHING, "epochs=4", "architecture.num_classes=12", f"architecture.weights={weights}", *fine]
    assert command(*common, f"hydra.run.dir={tmp_path / 'whole'}").exit_code == 0
    expected = numbers(tmp_path / "whole")
    for stop_at in (1, 3):  # the parts are still frozen, or have been released
        run = tmp_path / f"stopped at {stop_at}"
        monkeypatch.setattr(run_folder, "_REST", 0)
        with monkeypatch.context() as first:
            first.setattr(reporting, "line_of", interrupted)
            assert command(*common, f"hydra.run.dir='{run}'").exit_code == 130
        typed = command(*common, f"hydra.run.dir='{run}'")
        assert typed.exit_code == 0, typed.err
        assert f"continuing after epoch {stop_at} of 4" in typed.out
        assert numbers(run) == expected
    content = torch.load(weights, weights_only=True)
    content["network"]["classifier.bias"] += 1
    torch.save(content, weights)
    typed = command(*common, f"hydra.run.dir={tmp_path / 'whole'}")
    assert typed.exit_code == 1
    assert f"architecture.weights={weights}: the digest of its weights is " in typed.err


def test_weights_of_another_family_are_refused_before_any_picture_is_read(weights, command, tmp_path):
    other = ["architecture.growth_rate=8", "data=fashion_mnist", "data.root=/none", "data.download=false"]
    typed = command(*TINY, *NOTHING, *other, f"architecture.weights={weights}", f"hydra.run.dir={tmp_path / 'run'}")
    assert typed.exit_code == 1
    assert typed.err.count("\n") == 1
    assert (
        f"architecture.weights={weights}: weights of another network: features.conv0.weight is 8x1x3x3 there and 16x1x3x3 in"
        in typed.err
    )
    assert typed.err.endswith("; they are of architecture.block_config=[1,1,1] architecture.growth_rate=4\n")


def test_a_run_and_a_study_of_ones_own_are_started_from(command, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    common = [*TINY, "epochs=1", f"tracking.uri={uri}", "tracking.system_metrics=false"]
    study = ["hydra/sweeper=async_optuna", "hydra.sweeper.n_trials=1", "hydra.sweeper.study_name=first", "seed=1,2"]
    typed = command("-m", *common, *study, f"hydra.sweep.dir={tmp_path / 'outputs' / 'first'}")
    assert typed.exit_code == 0, typed.err
    [run] = MlflowClient(uri).search_runs(["1"], filter_string="tags.`trial.number` = '0'")
    for name in ("first", run.info.run_id):
        folder = tmp_path / f"from {name}"
        typed = command(*common, f"architecture.weights={name}", "finetune.freeze=features", f"hydra.run.dir='{folder}'")
        assert typed.exit_code == 0, typed.err
        again = MlflowClient(uri).get_run(last(folder)["run_id"]).data
        assert again.tags["weights.origin"] == f"model {name}"
        assert again.tags["weights.loaded"].endswith(" tensors")
        assert "weights.drawn" not in again.tags
        assert again.params["architecture.weights"] == name
        kept = trained.classifier(tmp_path / "outputs" / "first" / "0" / "artifacts").network.state_dict()
        assert torch.equal(last(folder)["network"]["features.conv0.weight"], kept["features.conv0.weight"])
    shutil.rmtree(tmp_path / "outputs")
    typed = command(*common, "architecture.weights=missing")
    assert typed.exit_code == 1
    assert "architecture.weights=missing: no such study; there are first" in typed.err


SWEEP = """
# @package _global_
defaults: [growth_depth_lr, _self_]
epochs: 3
hydra:
  sweeper:
    study_name: fine
    n_trials: 3
    params:
      architecture.growth_rate: "4"
      architecture.depth: "10"
      optimizer.lr: "0.1"
      finetune.freeze: choice(none,denseblock1,features)
      finetune.unfreeze_after: {search: "choice(1,2)", when: {finetune.freeze: [denseblock1, features]}}
      finetune.lr_factor: tag(log,interval(0.01,1))
    enqueue:
      - {finetune.freeze: none, finetune.lr_factor: 0.5}
      - {finetune.freeze: denseblock1, finetune.unfreeze_after: 1, finetune.lr_factor: 0.1}
      - {finetune.freeze: features, finetune.unfreeze_after: 2, finetune.lr_factor: 1.0}
"""


def test_a_sweep_searches_what_is_frozen_for_how_long_and_the_factor(weights, command, tmp_path):
    (tmp_path / "own" / "sweep").mkdir(parents=True)
    (tmp_path / "own" / "sweep" / "fine.yaml").write_text(SWEEP)
    typed = command(
        "--config-dir", "own", "sweep=fine", *TINY, *NOTHING, "rungs=[]", "hydra/sweeper/pruner=none", "hydra/launcher=basic",
        f"architecture.weights={weights}", "architecture.num_classes=12",
    )  # fmt: skip
    assert typed.exit_code == 0, typed.err
    folder = tmp_path / "outputs" / "sweeps" / "fine"
    assert "3 complete" in typed.out
    configs = [values_of(folder / str(number) / "artifacts" / "config.yaml") for number in range(3)]
    assert configs == [("none", None, 0.5), ("denseblock1", 1, 0.1), ("features", 2, 1.0)]


def values_of(path: Path) -> tuple[object, ...]:
    finetune = yaml.safe_load(path.read_text())["finetune"]
    return tuple(finetune[key] for key in ("freeze", "unfreeze_after", "lr_factor"))
