"""Bad input: one readable line that names the key, the value and what is accepted, before any work starts."""

from pathlib import Path

import pytest

from densenet_sweep.__main__ import main

CASES = {
    "a misspelt key": (
        ["optimizer.lrr=0.1"],
        "unknown key optimizer.lrr; did you mean lr?; optimizer accepts lr, max_grad_norm,",
    ),
    "a key that would be ignored": (["+data.augment.mixup=0.2"], "unknown key data.augment.mixup; data.augment accepts crop_"),
    "somebody else's function": (["optimizer._target_=os.system"], "optimizer._target_=os.system: is neither ours nor trusted"),
    "a misspelt top-level key": (["epoch=3"], "unknown key epoch; did you mean epochs?"),
    "a key of another option": (
        ["optimizer=adamw", "optimizer.momentum=0.9"],
        "unknown key optimizer.momentum; optimizer accepts lr, max_grad_norm, weight_decay, decay_norm_and_bias, betas",
    ),
    "a wrong type": (["optimizer.lr=fast"], "optimizer.lr: Value 'fast' of type 'str' could not be converted to Float"),
    "a wrong type of a whole number": (["epochs=1.5"], "epochs: Value '1.5' of type 'float' could not be converted to"),
    "a negative learning rate": (["optimizer.lr=-1"], "optimizer.lr=-1: a number above 0 is accepted"),
    "a learning rate that is no number": (["optimizer.lr=nan"], "optimizer.lr=nan: a number above 0 is accepted"),
    "no epochs": (["epochs=0"], "epochs=0: a whole number of at least 1 is accepted"),
    "no such option": (
        ["optimizer=adam"],
        "optimizer=adam: no such option; did you mean adamw?; one of adamw, muon, nesterov, sgd is accepted",
    ),
    "an unknown precision": (["precision=fp8"], "precision=fp8: one of auto, fp32, bf16 is accepted"),
    "an objective that is not logged": (["objective=f1"], "objective=f1: one of valid_accuracy, valid_loss,"),
    "a depth outside the bottleneck family": (
        ["architecture=densenet_bc", "architecture.depth=42"],
        "architecture.depth=42: a depth of 6n+4 is accepted, such as 40 or 46",
    ),
    "a depth outside the plain family": (
        ["architecture=densenet", "architecture.depth=41"],
        "architecture.depth=41: a depth of 3n+4 is accepted, such as 40 or 43",
    ),
    "depth and block_config at once": (
        ["architecture=densenet_bc", "architecture.depth=40", "architecture.block_config=[4,4]"],
        "exactly one is accepted, both was given",
    ),
    "an image that the stem swallows": (
        ["architecture=d2l", "data.image_size=28"],
        "data.image_size=28: this architecture (imagenet stem, 4 dense blocks) shrinks it below 1x1; at least 29 is accepted",
    ),
    "channels that the data does not have": (
        ["architecture.in_channels=3"],
        "architecture.in_channels=3 does not fit the data set, which has data.num_channels=1",
    ),
    "Nesterov without momentum": (
        ["optimizer=nesterov", "optimizer.momentum=0"],
        "optimizer.nesterov=true needs optimizer.momentum above 0",
    ),
    "no validation split": (["data.valid_fraction=0"], "data.valid_fraction=0: a number above 0 and below 1"),
    "a study's name that leaves its folder": (
        ["sweep=quickstart", "hydra.sweeper.study_name=../../x"],
        "hydra.sweeper.study_name=../../x: is no name of a study; letters, digits and _, and between them",
    ),
    "a sweep's folder that no study can be named after": (
        ["sweep=quickstart", "hydra.sweeper.study_name=null", "hydra.sweep.dir='it\\'s'"],
        "hydra.sweep.dir=it's: is no name of a study",
    ),
    "a name that no study can have": (["compare", 'it\'s "so"'], 'it\'s "so": no such study in'),
    "an unknown subcommand": (["comapre"], "comapre: no such command; did you mean compare?"),
    "an unknown device": (["data=digits", "device=tpu", "tracking=none"], "device=tpu: auto, cpu, cuda or cuda:N is"),
    "a broken override": (["optimizer.lr="], ""),
    "a folder as the store": (
        ["tracking.uri=mlruns"],
        "tracking.uri=mlruns: a database (sqlite:///mlruns/mlflow.db, postgresql://...) or a server (http://...) is accepted",
    ),
    "fewer weights than none": (["tracking.keep_checkpoints=-1"], "tracking.keep_checkpoints=-1: a whole number of at least 0"),
    "too many training images": (["data=digits", "data.num_train=100000", "tracking=none"], "data.num_train=100000"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_a_nonzero_exit(command, case):
    arguments, expected = CASES[case]
    typed = command(*arguments)
    assert typed.exit_code == 1
    if not expected:
        assert typed.err.startswith("densenet-sweep: error: ")
        return
    assert expected in typed.err
    lines = [line for line in typed.err.splitlines() if line]
    assert len(lines) == 1, typed.err
    assert lines[0].startswith("densenet-sweep: error: ")


def test_a_refused_config_leaves_nothing_behind(command, tmp_path):
    assert command("optimizer.lr=-1").exit_code == 1
    assert command("optimizer.lrr=1").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_key_in_a_file_is_refused(command, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "typo.yaml").write_text("# @package _global_\noptimizer:\n  learning_rate: 0.1\n", encoding="utf-8")
    typed = command("--config-dir", str(folder.parent), "experiment=typo")
    assert typed.exit_code == 1
    assert "unknown key optimizer.learning_rate" in typed.err


def test_an_unwritable_output_folder_is_named(command, tmp_path):
    (tmp_path / "outputs").write_text("a file, not a folder", encoding="utf-8")
    typed = command("data=digits", "tracking=none")
    assert typed.exit_code == 1
    assert "outputs" in typed.err
    assert len(typed.err.splitlines()) == 1


def test_a_traceback_is_raised_when_asked_for(monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr("sys.argv", ["densenet-sweep", "nonsense"])
    with pytest.raises(ValueError, match="no such command"):
        main()


def test_a_corrupt_checkpoint_is_named_and_kept(command, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "last.pt").write_bytes(b"not a checkpoint")
    typed = command("data=digits", "tracking=none", f"hydra.run.dir={folder}")
    assert typed.exit_code == 1
    assert "last.pt: not a readable checkpoint" in typed.err
    assert Path(folder / "last.pt").read_bytes() == b"not a checkpoint"
