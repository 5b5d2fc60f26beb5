"""Bad input: one readable line that names the key, the value and what is accepted, before any work starts."""

import subprocess
import sys

import pytest

from densenet_sweep import load_study
from densenet_sweep.__main__ import main
from densenet_sweep.config import runnable
from densenet_sweep.config.schema import ConfigError

CASES = {
    "a misspelt key": (
        ["optimizer.lrr=0.1"],
        "unknown key optimizer.lrr; did you mean lr?; optimizer accepts lr, max_grad_norm,",
    ),
    "a key that would be ignored": (["+data.augment.blur=0.2"], "unknown key data.augment.blur; data.augment accepts crop_"),
    "somebody else's function": (["optimizer._target_=os.system"], "optimizer._target_=os.system: is neither ours nor trusted"),
    "a misspelt top-level key": (["epoch=3"], "unknown key epoch; did you mean epochs?"),
    "a key of another option": (
        ["optimizer=adamw", "optimizer.momentum=0.9"],
        "unknown key optimizer.momentum; optimizer accepts lr, max_grad_norm, weight_decay, decay_norm_and_bias, betas",
    ),
    "a wrong type": (["optimizer.lr=fast"], "optimizer.lr=fast: a number is accepted"),
    "a wrong type of a whole number": (["epochs=1.5"], "epochs=1.5: a whole number is accepted"),
    "a negative learning rate": (["optimizer.lr=-1"], "optimizer.lr=-1: a number above 0 is accepted"),
    "a learning rate that is no number": (["optimizer.lr=nan"], "optimizer.lr=nan: a number above 0 is accepted"),
    "a specificity of more than all": (["specificity=1.5"], "specificity=1.5: a number at least 0 and at most 1 is accepted"),
    "a rung of no image": (["rung_scale=0"], "rung_scale=0: a number above 0 and at most 1 is accepted"),
    "a rung of larger images": (["rung_scale=2"], "rung_scale=2: a number above 0 and at most 1 is accepted"),
    "a rung of images that are too small": (
        ["data=digits", "rungs=[1]", "rung_scale=0.25"],
        "rung_scale=0.25: a rung has data.image_size=(2, 2): this architecture (small stem, 3 dense blocks) shrinks it below "
        "1x1; at least 4 is accepted",
    ),
    "no epochs": (["epochs=0"], "epochs=0: a whole number of at least 1 is accepted"),
    "no such option": (
        ["optimizer=adam"],
        "optimizer=adam: no such option; did you mean adamw?; one of adamw, muon, nesterov, sgd is accepted",
    ),
    "an unknown precision": (["precision=fp8"], "precision=fp8: one of auto, fp32, bf16 is accepted"),
    "an objective that is not logged": (["objective=f1"], "objective=f1: one of valid_accuracy, valid_loss,"),
    "one objective under two names": (
        ["objective=[auroc,valid_auroc]"],
        "objective=['auroc', 'valid_auroc']: one of valid_accu",
    ),
    "too few class weights": (
        ["loss.class_weights=[1,2]"],
        "loss.class_weights=[1, 2]: none, balanced or 10 numbers above 0, one a class, is accepted",
    ),
    "a class weight of nothing": (
        ["data=image_folder", "loss.class_weights=[1,0]"],
        "loss.class_weights=[1, 0]: none, balanced",
    ),
    "unknown class weights": (
        ["loss.class_weights=inverse"],
        "loss.class_weights=inverse: none, balanced or 10 numbers above 0",
    ),
    "an unknown sampling": (["data.sampling=even"], "data.sampling=even: one of natural, balanced is accepted"),
    "a negative exponent": (["loss=focal", "loss.gamma=-1"], "loss.gamma=-1: a number at least 0 is accepted"),
    "an exponent that the loss does not have": (["loss.gamma=1"], "unknown key loss.gamma; loss accepts class_weights"),
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
        "exactly one is accepted, both were given",
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
    "bf16 on a Mac's GPU": (["device=mps", "precision=bf16"], "precision=bf16: auto or fp32 is accepted with device=mps"),
    "an unknown device": (["data=digits", "device=tpu", "tracking=none"], "device=tpu: auto, cpu, cuda, cuda:N or mps is"),
    "a broken override": (["optimizer.lr="], ""),
    "a folder as the store": (
        ["tracking.uri=mlruns"],
        "tracking.uri=mlruns: a database (sqlite:///mlruns/mlflow.db, postgresql://...) or a server (http://...) is accepted",
    ),
    "fewer mistakes than none": (["tracking.keep_mistakes=-1"], "tracking.keep_mistakes=-1: a whole number of at least 0"),
    "fewer weights than none": (["tracking.keep_checkpoints=-1"], "tracking.keep_checkpoints=-1: a whole number of at least 0"),
    "too many training images": (
        ["data=digits", "data.num_train=6000"],
        "data.num_train=6000: between 10 and 1150 is accepted, as data.valid_fraction=0.2 holds 288 of 1,438 images out",
    ),
    "epochs without end": (
        ["epochs=1000000000000000000000"],
        "epochs=1000000000000000000000: a whole number of at most 1,000,000 is accepted",
    ),
    "a rung without end": (["rungs=[1,1000000000]"], "rungs=[1, 1000000000]: rising numbers of epochs are accepted"),
    "Newton and Schulz without end": (
        ["optimizer=muon", "optimizer.ns_steps=1000000000"],
        "optimizer.ns_steps=1000000000: a whole number of at most 100 is accepted",
    ),
    "a seed beyond torch's": (
        [f"seed={2**70}"],
        f"seed={2**70}: a whole number of at most 9,223,372,036,854,775,807 is accepted",
    ),
    "a split seed below NumPy's": (["data.split_seed=-1"], "data.split_seed=-1: a whole number of at least 0 is accepted"),
    "one beta": (
        ["optimizer=adamw", "optimizer.betas=[0.9]"],
        "optimizer.betas=[0.9]: two numbers, each at least 0 and below 1, are accepted",
    ),
    "three betas": (["optimizer=adamw", "optimizer.betas=[0.9,0.9,0.9]"], "optimizer.betas=[0.9, 0.9, 0.9]: two numbers, each"),
    "a growth rate beyond 64 bits": (
        [f"architecture.growth_rate={2**63}"],
        f"architecture.growth_rate={2**63}: a whole number of at most 1,000,000 is accepted",
    ),
    "a wide and deep net": (
        ["architecture.growth_rate=4000", "architecture.depth=100"],
        "architecture: 82,353,208,010 weights, at batch_size=64 and data.image_size=28, take at least 1,185.1 GiB in training; "
        "this machine has ",
    ),
    "a block without end": (
        ["architecture.depth=null", "architecture.block_config=[1000000]"],
        "in training; this machine has ",
    ),
    "a depth without end": (["architecture.depth=6000004"], "in training; this machine has "),
    "a net without end, described": (["describe", "architecture.depth=6000004"], "weights take at least "),
    "a block_config too long for the image": (
        ["architecture.depth=null", f"architecture.block_config={[1] * 40}".replace(" ", "")],
        "data.image_size=28: this architecture (small stem, 40 dense blocks) shrinks it below 1x1; at least 549755813888 is",
    ),
    "classes without end": (
        ["data.num_classes=1000000000000"],
        "data.num_classes=1000000000000: a whole number of at most 1,000,000 is accepted",
    ),
    "an image that fills the memory": (
        ["data.image_size=100000"],
        "at batch_size=64 and data.image_size=100000, take at least ",
    ),
    "a batch that fills the memory": (
        ["data=svhn", "batch_size=1000000", "architecture=densenet121", "data.image_size=224"],
        "at batch_size=73257 and data.image_size=224, take at least ",
    ),
    "a crop out of sight": (
        ["data.augment.crop_padding=1000000"],
        "data.augment.crop_padding=1000000: a whole number of at most 28 is accepted",
    ),
    "a hole beyond the image": (
        ["data.augment.cutout_size=100000"],
        "data.augment.cutout_size=100000: a whole number of at most 56 is accepted",
    ),
    "torchvision's weights of a net that it has none of": (
        ["architecture.weights=torchvision"],
        "architecture.weights=torchvision: has weights of densenet121, densenet161, densenet169 and densenet201, and",
    ),
    "weights that are not there": (["architecture.weights=none.pth"], "architecture.weights=none.pth: no such file"),
    "weights of no possible name": (
        ["architecture.weights='*'"],
        "architecture.weights=*: torchvision, a file (.pth, .pt, .safetensors, .ckpt, .bin, .tar), models:/..., a run id or",
    ),
    "a model without a store": (
        ["tracking=none", "architecture.weights=champion"],
        "architecture.weights=champion: a run, model or study is looked for in MLflow, which needs tracking=mlflow",
    ),
    "drawn weights, frozen": (
        ["finetune.freeze=features"],
        "finetune.freeze=features: would hold weights as they were drawn; architecture.weights gives others",
    ),
    "everything frozen": (
        ["architecture.weights=champion", "finetune.freeze=classifier"],
        "finetune.freeze=classifier: would freeze everything; one of none, features, conv0, denseblock1, transition1,",
    ),
    "a block that is not there, frozen": (
        ["architecture.weights=champion", "finetune.freeze=denseblock4"],
        "finetune.freeze=denseblock4: one of none, features, conv0, denseblock1, transition1, denseblock2, transition2,",
    ),
    "nothing to release": (
        ["finetune.unfreeze_after=2"],
        "finetune.unfreeze_after=2: nothing is frozen, as finetune.freeze=none",
    ),
    "a release after the end": (
        ["architecture.weights=champion", "finetune.freeze=features", "finetune.unfreeze_after=10"],
        "finetune.unfreeze_after=10: a number of epochs of at least 1 and below epochs=10 is accepted; null: what is frozen",
    ),
    "a factor for nothing": (
        ["finetune.lr_factor=0.1"],
        "finetune.lr_factor=0.1: scales the rate of what came with architecture",
    ),
    "a factor of nothing": (
        ["architecture.weights=champion", "finetune.lr_factor=0"],
        "finetune.lr_factor=0: a number above 0 is accepted; finetune.freeze holds parts",
    ),
    "statistics of nothing": (
        ["finetune.statistics=imagenet"],
        "finetune.statistics=imagenet: one of weights, data is accepted",
    ),
    "a transition that keeps nothing": (
        ["architecture.compression=1e-9"],
        "architecture.compression=1e-09: a transition would keep none of 60 channels; at least 0.017 is accepted",
    ),
    "channels that the files do not have": (
        ["data.num_channels=7"],
        "data.num_channels=7: 1 is accepted, as fashion_mnist has",
    ),
    "channels that no picture has": (
        ["data=image_folder", "data.num_channels=7"],
        "data.num_channels=7: 1 (grey) or 3 (colour) is accepted",
    ),
    "classes that the files exceed": (
        ["data.num_classes=9"],
        "data.num_classes=9: at least 10 is accepted, as fashion_mnist has",
    ),
    "a value removed": (["~epochs"], "~epochs: cannot be removed, as it needs a value"),
    "a value removed in a section": (["~optimizer.lr"], "~optimizer.lr: cannot be removed, as it needs a value"),
    "a section removed": (["~optimizer"], "optimizer: has no value; optimizer=OPTION is accepted"),
    "a section removed that another one needs": (["~data"], "data: has no value; data=OPTION is accepted"),
    "a sweep without a direction": (
        ["sweep=quickstart", "hydra.sweeper.direction=[]"],
        "hydra.sweeper.direction=[]: one of minimize, maximize, or a list of them, one an objective, is accepted",
    ),
    "a folder of configs that is not there": (["--config-dir=/nonexistent"], "--config-dir=/nonexistent: no such folder"),
    "no port": (["serve", "--port", "99999999"], "--port 99999999: a whole number from 1 to 65535 is accepted"),
    "a run where none is recorded": (
        ["rerun", "x"],
        "tracking.uri=sqlite:///mlruns/mlflow.db: nothing is recorded there yet; densenet-sweep sweep=quickstart does",
    ),
    "a GPU that is not there": (["device=cuda:99"], "device=cuda:99: this machine has "),
    "a misspelt group": (["sweeps=quickstart"], "unknown key sweeps; did you mean sweep?; the config accepts seed,"),
    **{
        f"a sweep that cannot run: {name}": (["sweep=quickstart", "hydra/launcher=basic", *overrides], message)
        for name, overrides, message in (
            ("its data", ["data=digits"], "data.num_train=6000: between 10 and 1150 is accepted"),
            ("its device", ["device=cuda:99"], "device=cuda:99: this machine has "),
            (
                "an option",
                ["optimizer=choice(sgd,nope)"],
                "optimizer=nope: no such option; one of adamw, muon, nesterov, sgd is",
            ),
            ("a range below 0", ["optimizer.lr=choice(-4,4)"], "optimizer.lr=-4: a number above 0 is accepted"),
            ("the end of a range", ["optimizer.lr=interval(-0.1,0.1)"], "optimizer.lr=-0.1: a number above 0 is accepted"),
            ("between the ends", ["architecture.depth=range(10,17)"], "architecture.depth=11: a depth of 6n+4 is accepted"),
            ("no epochs", ["epochs=choice(1,0)"], "epochs=0: a whole number of at least 1 is accepted"),
            ("what it holds fixed", ["epochs=0"], "epochs=0: a whole number of at least 1 is accepted"),
            ("a wrong type", ["epochs=choice(1,many)"], "epochs=many: a whole number is accepted"),
            ("no end", ["optimizer.lr=interval(0.1,inf)"], "optimizer.lr=interval(0.1,inf): an interval from a smaller to a"),
            ("no number", ["optimizer.lr=choice(nan,0.1)"], "optimizer.lr=choice(nan,0.1): nan is no choice"),
            (
                "a net that fills the memory",
                ["architecture.growth_rate=choice(12,100000)"],
                "architecture.growth_rate=100000: architecture: ",
            ),
            (
                "an option that fits no other",
                ["architecture=choice(densenet_bc,d2l)"],
                "architecture=d2l: architecture.depth=10 and architecture.block_config=[4, 4, 4, 4]: exactly one is accepted",
            ),
            (
                "a function",
                ["hydra.sweeper.custom_search_space=nope.nope"],
                "hydra.sweeper.custom_search_space=nope.nope: no such function",
            ),
            (
                "what is tried first",
                ["hydra.sweeper.enqueue=[{optimizer.lr:fast}]"],
                "hydra.sweeper.enqueue: optimizer.lr=fast: a number of tag(log,interval(0.02,0.5)) is accepted",
            ),
            (
                "a pruner",
                ["hydra/sweeper/pruner=asha", "hydra.sweeper.pruner.reduction_factor=0"],
                "hydra.sweeper.pruner: SuccessiveHalvingPruner refuses its arguments",
            ),
            (
                "a pruner that says so late",
                ["hydra/sweeper/pruner=hyperband", "hydra.sweeper.pruner.reduction_factor=0"],
                "hydra.sweeper.pruner: HyperbandPruner fails with these arguments",
            ),
            ("a seed", ["hydra.sweeper.sampler.seed=-1"], "hydra.sweeper.sampler.seed=-1: a whole number of at least 0"),
            ("a start", ["hydra.sweeper.warm_start_from=nope"], "hydra.sweeper.warm_start_from=nope: no such study; there are"),
        )
    },
    "one class an image by a loss of labels": (
        ["loss=binary_cross_entropy", "data=digits"],
        "loss=binary_cross_entropy: is for images with any number of labels, such as those of data=image_table",
    ),
    "balanced classes of images with several": (
        ["loss=binary_cross_entropy", "data=image_table", "data.table=t.csv", "data.sampling=balanced"],
        "data.sampling=balanced: natural is accepted with several labels an image",
    ),
    "mixed images with several labels": (
        ["loss=binary_cross_entropy", "data=image_table", "data.table=t.csv", "data.augment.mixup=0.2"],
        "data.augment.mixup=0.2: 0 is accepted with several labels an image",
    ),
    "an objective that several labels do not have": (
        ["loss=binary_cross_entropy", "data=image_table", "data.table=t.csv", "objective=balanced_accuracy"],
        "objective=valid_balanced_accuracy: with several labels an image, one of valid_accuracy, ",
    ),
    "no separator of labels": (
        ["data=image_table", "data.table=t.csv", "data.label_separator=null", "data.multi_label=true"],
        "data.multi_label=true needs a data.label_separator, such as |",
    ),
    "a grid whose second job cannot run": (
        ["-m", "architecture.depth=10,11"],
        "architecture.depth=11: a depth of 6n+4 is accepted, such as 10 or 16",
    ),
    "a grid whose last option is none": (
        ["-m", "optimizer=sgd,adamw,adam"],
        "optimizer=adam: no such option; did you mean adamw?",
    ),
    "a grid without a GPU": (["-m", "device=cuda:99", "seed=0,1"], "device=cuda:99: this machine has "),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_a_nonzero_exit(command, case, tmp_path):
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
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_refused_before_torch_is_imported():
    cases = [["data=digits", "data.num_train=6000"], ["architecture.depth=6000004"], ["-m", "architecture.depth=10,11"]]
    program = f"""
import sys
from densenet_sweep.config import runnable
for arguments in {cases}:
    try:
        runnable.checked(arguments)
    except ValueError:
        print("refused")
print(*({{"torch", "numpy", "mlflow", "optuna"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * len(cases)


def test_what_a_grid_shares_need_not_suit_a_job_that_changes_it():
    """28 px, the default, are too few for this net; no job has them."""
    runnable.checked(["-m", "architecture=d2l", "data.image_size=32,33"])
    with pytest.raises(ConfigError, match=r"data\.image_size=27: this architecture"):
        runnable.checked(["-m", "architecture=d2l", "data.image_size=32,27"])


def test_a_misspelt_key_in_a_file_is_refused(command, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "typo.yaml").write_text("# @package _global_\noptimizer:\n  learning_rate: 0.1\n", encoding="utf-8")
    typed = command("--config-dir", str(folder.parent), "experiment=typo")
    assert typed.exit_code == 1
    assert "unknown key optimizer.learning_rate" in typed.err


def test_pictures_that_no_trial_could_read_end_a_sweep_before_a_trial_has_failed(command, tmp_path):
    (tmp_path / "t.csv").write_text("path,label\n1.png,a\n2.png,b\n")
    sweep = ["sweep=quickstart", "data=image_table", "data.table=t.csv", "data.num_train=null", "hydra/launcher=basic"]
    typed = command(*sweep, "tracking=none", "hydra.sweeper.study_name=pictures")
    assert typed.exit_code == 1
    said = "data.table=t.csv: 2 of 2 pictures not found, such as 1.png, 2.png; paths relative to data.root or to the table are"
    assert typed.err == f"densenet-sweep: error: {said} accepted\n"
    assert {trial.state for trial in load_study("pictures").trials} == {"waiting"}
    # Nothing was done under this config, so the corrected command is not another study's.
    (tmp_path / "u.csv").write_text("path,label\n3.png,a\n")
    typed = command(*sweep, "tracking=none", "hydra.sweeper.study_name=pictures", "data.table=u.csv")
    assert typed.err.startswith("densenet-sweep: error: data.table=u.csv: 1 of 1 picture not found, such as 3.png")


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


def test_a_corrupt_checkpoint_is_named_and_kept_and_training_begins_anew(command, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "last.pt").write_bytes(b"not a checkpoint")
    typed = command("data=digits", "architecture.depth=10", "epochs=1", "tracking=none", f"hydra.run.dir={folder}")
    assert typed.exit_code == 0, typed.err
    assert "last.pt: not a readable checkpoint" in typed.out
    assert (folder / "last.pt.damaged").read_bytes() == b"not a checkpoint"
