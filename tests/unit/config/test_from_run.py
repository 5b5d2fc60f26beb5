"""A config that a run has left trains the same again, and can do nothing else."""

import re
from pathlib import Path

import pytest
import yaml

from densenet_sweep.config import composition, from_run, run_config
from densenet_sweep.config.schema import ConfigError

CHOICES = {"architecture": "densenet_bc", "optimizer": "nesterov", "schedule": "cosine", "data": "digits"}


def write(path: Path, overrides: list[str]) -> None:
    values = run_config.shown(composition.typed(composition.compose(overrides)))
    path.write_text(run_config.text(CHOICES, values), encoding="utf-8")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    typed = [f"{group}={option}" for group, option in CHOICES.items()]
    write(path, [*typed, "optimizer.lr=0.03", "seed=7"])
    return path


def test_it_gives_the_same_config(kept):
    again = from_run.config(kept)
    assert (again.optimizer.lr, again.seed, again.data._target_) == (0.03, 7, "densenet_sweep.data.sources.digits")


def test_a_run_of_before_the_losses_has_the_default_one(kept):
    text = kept.read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    del values["loss"], values["data"]["sampling"]
    kept.write_text("# @package _global_\n" + yaml.safe_dump(values), encoding="utf-8")
    again = from_run.config(kept)
    assert (again.loss._target_.rpartition(".")[2], again.loss.class_weights, again.data.sampling) == (
        "cross_entropy", "none", "natural"
    )  # fmt: skip


def test_a_run_keeps_its_loss(tmp_path):
    path = tmp_path / "config.yaml"
    typed = ["loss=focal", "loss.gamma=1.5", "loss.class_weights=balanced", "data=digits"]
    values = run_config.shown(composition.typed(composition.compose(typed)))
    path.write_text(run_config.text({**CHOICES, "loss": "focal"}, values), encoding="utf-8")
    loss = from_run.config(path).loss
    assert (loss._target_.rpartition(".")[2], loss.gamma, loss.class_weights) == ("focal", 1.5, "balanced")


@pytest.mark.parametrize(
    ("data", "overrides", "keeps_root"),
    [
        ("image_folder", ["data.root=split"], True),
        ("image_table", ["data.table=t.csv", "data.root=split"], True),
        ("npz", ["data.root=split"], True),
        ("mnist", ["data.root=split"], False),
        ("fashion_mnist_14px", ["data.root=split"], False),
    ],
)
def test_only_of_a_named_data_set_the_root_belongs_to_the_machine(tmp_path, data, overrides, keeps_root):
    path = tmp_path / "config.yaml"
    values = run_config.shown(composition.typed(composition.compose([f"data={data}", *overrides])))
    path.write_text(run_config.text({**CHOICES, "loss": "cross_entropy", "data": data}, values), encoding="utf-8")
    again = from_run.as_overrides(path, keeps_machine=False)
    assert ("data.root=split" in again) == keeps_root
    assert not any(override.startswith("data.download=") for override in again)
    assert "data.root=split" in from_run.as_overrides(path)


def test_the_root_of_data_that_a_users_function_reads_is_kept():
    named = run_config.shown(composition.typed(composition.compose(["data=digits"])))["data"]
    assert "data.root" in run_config.machine_keys(named)
    assert "data.root" not in run_config.machine_keys({**named, "_target_": "mine.pictures"})


EVIL = {"_target_": "os.system", "command": "touch /tmp/owned"}


@pytest.mark.parametrize(
    ("added", "key"),
    [
        ({"hydra": {"callbacks": {"x": EVIL}}}, "hydra.callbacks.x._target_"),
        ({"+hydra.callbacks.x": EVIL}, "+hydra.callbacks.x._target_"),
        ({"++hydra.callbacks.x": EVIL}, "++hydra.callbacks.x._target_"),
        ({"hydra/launcher": "joblib"}, "hydra/launcher"),
        ({"hydra.searchpath": ["/tmp"]}, "hydra.searchpath"),
        ({"hydra": {}}, "hydra"),
        ({"experiment": "other"}, "experiment"),
        ({"sweep": "growth_depth_lr"}, "sweep"),
        ({"trusted_targets": ["os.*"]}, "trusted_targets"),
        ({"tracking": {"uri": "http://elsewhere"}}, "tracking.uri"),
        ({"+class_weights": "balanced"}, "+class_weights"),
        ({"~epochs": None}, "~epochs"),
        ({"optimizer@hydra.callbacks.x": "sgd"}, "optimizer@hydra.callbacks.x"),
        ({"seed=1 x": 2}, "seed=1 x"),
    ],
)
def test_it_says_what_is_trained_and_nothing_else(kept, added, key):
    kept.write_text(kept.read_text() + yaml.safe_dump(added), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{kept}: {key}: what a run has left may say what is trained')}"):
        from_run.as_overrides(kept)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "seed: ${oc.env:HOME}", r"seed=\$\{oc\.env:HOME\}: a value is accepted, and no interpolation$"),
        ("  lr: 0.03", "  lr: 0.03\n  _partial_: true", r"optimizer\._partial_: is not a key of a run's config$"),
        ("  lr: 0.03", "  lr: 0.03\n  x: [{_target_: os.system}]", r"optimizer\.x\._target_: is not a key of a run's config$"),
        ("  lr: 0.03", "  lr: 0.03\n  a=b: 1", r"optimizer\.a=b: is not a key of a run's config$"),
        (
            "  lr: 0.03",
            "  lr: 0.03\n  _target_: os.system",
            r"was trained with optimizer\._target_=os\.system; a run's config cann",
        ),
        ("optimizer: nesterov", "optimizer: ../evil", r"optimizer=\.\./evil: the name of an option is accepted$"),
        ("optimizer: nesterov", "optimizer: sgd,adamw", r"optimizer=sgd,adamw: the name of an option is accepted$"),
        (
            "  - override /data: digits",
            "  - override /data: digits\n  - /hydra/launcher: joblib",
            r"is not the config\.yaml of a",
        ),
    ],
)
def test_it_calls_nothing(kept, old, new, message):
    text = kept.read_text()
    assert old in text
    kept.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        from_run.as_overrides(kept)


def test_a_function_of_ours_in_another_section_is_none_of_ours(kept):
    kept.write_text(kept.read_text().replace("  lr: 0.03", "  _target_: densenet_sweep.data.sources.digits"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"was trained with optimizer\._target_=densenet_sweep\.data\.sources\.digits"):
        from_run.as_overrides(kept)


def test_trust_does_not_reach_the_file(kept):
    kept.write_text(kept.read_text().replace("  lr: 0.03", "  lr: 0.03\n  _target_: os.system"), encoding="utf-8")
    with pytest.raises(ConfigError, match="was trained with"):
        from_run.as_overrides(kept, ["trusted_targets=[os.*]"])


def test_what_the_user_names_again_is_called(kept):
    typed = ["optimizer._target_=json.decoder.JSONDecoder", "trusted_targets=[json.*]"]
    overrides = [*(f"{group}={option}" for group, option in CHOICES.items()), "optimizer.lr=0.03", *typed]
    write(kept, overrides)
    assert "_target_: json.decoder.JSONDecoder" in kept.read_text()
    with pytest.raises(ConfigError, match="was trained with"):
        from_run.config(kept)
    assert from_run.config(kept, [*typed, "hydra.sweeper.n_trials=3"]).optimizer._target_ == "json.decoder.JSONDecoder"


def test_a_copy_holds_what_was_checked(kept, tmp_path):
    kept.write_text(kept.read_text().replace("# @package _global_", "# @package _global_\n# anything"), encoding="utf-8")
    from_run.copy(kept, tmp_path / "copy.yaml", comment="One.\n\nTwo.")
    lines = (tmp_path / "copy.yaml").read_text().splitlines()
    assert lines[:5] == ["# @package _global_", "# One.", "#", "# Two.", "defaults:"]
    assert run_config.read(tmp_path / "copy.yaml") == run_config.read(kept)
