"""Every option of every group composes, passes the checks, and names something that can be called."""

from pathlib import Path

import pytest
from hydra.utils import get_object

from densenet_sweep.config import composition
from densenet_sweep.config.augmentation import remark_on_test_time_flip
from densenet_sweep.config.checks import check
from densenet_sweep.config.schema import ConfigError

CONF = composition.config_folder()
OPTIONS = sorted(
    (path.parent.name, path.stem) for path in CONF.glob("*/*.yaml") if path.parent.name != "sweep" and path.stem[0] != "_"
)
# The nets for 224 px, which do not fit the default data set's 28.
LARGE = ("d2l", "densenet121", "densenet161", "densenet169", "densenet201")


def test_every_group_has_options():
    groups = {group for group, _ in OPTIONS}
    assert groups >= {"architecture", "optimizer", "schedule", "data", "tracking", "experiment"}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_an_option_composes_and_its_targets_exist(group, option, monkeypatch):
    monkeypatch.setenv("DENSENET_SWEEP_STORAGE", "postgresql://me:secret@host/sweeps")
    monkeypatch.setenv("DENSENET_SWEEP_PROXY", "host:13000")
    needed = {
        **{name: ["data.image_size=64"] for name in LARGE},
        "image_table": ["data.table=t.csv"],
        "binary_cross_entropy": ["data=image_table", "data.table=t.csv"],
    }
    config = composition.typed(composition.compose([f"{group}={option}", *needed.get(option, [])]))
    if group not in ("experiment", "storage"):
        assert callable(get_object(getattr(config, group)._target_))


@pytest.mark.parametrize("path", sorted(CONF.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_option_file_says_what_it_is(path: Path):
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert comment.startswith("# ")
    assert len(comment) > 10


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_experiment_opens_with_the_command_that_runs_it(path: Path):
    assert f"#   densenet-sweep experiment={path.stem}\n" in path.read_text(encoding="utf-8")


def test_the_seed_recipe_is_the_seeds():
    config = composition.typed(composition.compose(["experiment=seed_recipe"]))
    assert (config.epochs, config.batch_size, config.data.image_size) == (10, 256, 96)
    assert (config.optimizer.lr, config.optimizer.momentum, config.optimizer.weight_decay) == (0.05, 0.0, 0.0)
    assert config.architecture.initialization == "xavier"
    assert config.architecture.block_config == [4, 4, 4, 4]
    assert (config.architecture.growth_rate, config.architecture.num_init_features) == (32, 64)
    assert config.schedule._target_.endswith(".constant")
    assert not config.data.normalize
    assert config.data.augment.crop_padding == 0
    assert not config.data.augment.horizontal_flip


def test_the_papers_recipe_is_the_papers():
    config = composition.typed(composition.compose(["experiment=paper_bc100_k12"]))
    assert (config.architecture.depth, config.architecture.growth_rate, config.architecture.compression) == (
        100,
        12,
        0.5,
    )
    assert (config.epochs, config.batch_size) == (300, 64)
    assert (config.optimizer.lr, config.optimizer.momentum, config.optimizer.weight_decay) == (0.1, 0.9, 1e-4)
    assert config.optimizer.nesterov
    assert config.schedule.milestones == [0.5, 0.75]
    assert config.data.augment.horizontal_flip


@pytest.mark.parametrize("order", [1, -1])
def test_what_an_experiment_names_wins_over_the_base_of_a_sweep(order):
    recipe = composition.typed(composition.compose(["experiment=seed_recipe"]))
    for sweep in ("seed_net", "growth_depth_lr", "quickstart"):
        composed = composition.typed(composition.compose(["experiment=seed_recipe", f"sweep={sweep}"][::order]))
        for section in ("architecture", "optimizer", "schedule"):
            assert getattr(composed, section) == getattr(recipe, section)
        assert (composed.epochs, composed.batch_size) == (recipe.epochs, recipe.batch_size)
        assert (composed.data.image_size, composed.data.normalize) == (96, False)
        assert composed.rungs == [1]  # which the recipe does not name
    assert composed.data.num_train == 6000


def test_the_command_line_wins_over_experiment_and_sweep():
    typed = composition.typed(
        composition.compose(["experiment=seed_recipe", "sweep=quickstart", "optimizer=adamw", "epochs=3"])
    )
    assert typed.optimizer._target_.endswith(".adamw")
    assert typed.optimizer.lr == 0.05  # a value of the recipe, whose optimizer is not taken
    assert typed.epochs == 3


@pytest.mark.parametrize(
    ("overrides", "accepted"),
    [
        (["batch_size=0"], "batch_size=0: a whole number of at least 1 is accepted"),
        (["rungs=[3,1]"], r"rungs=[3, 1]: rising numbers of epochs are accepted"),
        (["max_seconds=0"], "max_seconds=0: a number above 0 is accepted"),
        (["rungs=[0]"], r"rungs=[0]: rising numbers"),
        (["data.folds=1"], "data.folds=1: a whole number of at least 2 is accepted"),
        (["data.folds=5", "rungs=[1]"], "rungs=[1]: none are accepted beside data.folds=5, whose steps are folds; rungs=[]"),
        (["label_smoothing=1"], "label_smoothing=1: a number at least 0 and below 1 is accepted"),
        (["optimizer.max_grad_norm=0"], "optimizer.max_grad_norm=0: a number above 0 is accepted"),
        (["optimizer.momentum=1"], "optimizer.momentum=1: a number at least 0 and below 1 is accepted"),
        (["optimizer=adamw", "optimizer.betas=[0.9,1]"], "optimizer.betas=[0.9, 1.0]: two numbers, each at least 0"),
        (["optimizer=muon", "optimizer.momentum=1"], "optimizer.momentum=1: a number at least 0 and below 1 is accepted"),
        (["num_threads=0"], "num_threads=0: a whole number of at least 1 is accepted"),
        (["num_threads=2000"], "num_threads=2000: a whole number of at most 1,024 is accepted"),
        (["optimizer=muon", "optimizer.ns_steps=0"], "optimizer.ns_steps=0: a whole number of at least 1 is accepted"),
        (["schedule=step", "schedule.milestones=[0.75,0.5]"], "schedule.milestones=[0.75, 0.5]: rising fractions"),
        (["schedule=step", "schedule.gamma=0"], "schedule.gamma=0: a number above 0 and at most 1 is accepted"),
        (["schedule=linear", "schedule.warmup=1"], "schedule.warmup=1: a number at least 0 and below 1 is accepted"),
        (["schedule=one_cycle", "schedule.initial_factor=2"], "schedule.initial_factor=2: a number at least 0"),
        (["data.num_train=0"], "data.num_train=0: a whole number of at least 1 is accepted"),
        (["data.augment.crop_padding=-1"], "data.augment.crop_padding=-1: a whole number of at least 0"),
        (
            ["data.augment.horizontal_flip=sometimes"],
            "data.augment.horizontal_flip=sometimes: one of false, true, alternating is accepted",
        ),
        (["ema_decay=1"], "ema_decay=1: a number at least 0 and below 1 is accepted"),
        (["data.augment.rotation=200"], "data.augment.rotation=200: a number at least 0 and at most 180 is accepted"),
        (["data.augment.crop_area=0"], "data.augment.crop_area=0: a number at least 0.01 and at most 1 is accepted"),
        (["data.augment.mixup=nan"], "data.augment.mixup=nan: a number at least 0 and at most 100 is accepted"),
        (["data.augment.hue=0.1"], "data.augment.hue=0.1 needs colours, data.num_channels=3, which is 1"),
        (["data=npz", "data.root=a.npz", "data.num_channels=2"], "data.num_channels=2: 1 (grey) or 3 (colour) is accepted"),
        (["architecture.growth_rate=0"], "architecture.growth_rate=0: a whole number of at least 1"),
        (["architecture.compression=0"], "architecture.compression=0: a number above 0 and at most 1"),
        (["architecture.drop_rate=1"], "architecture.drop_rate=1: a number at least 0 and below 1"),
        (["architecture.stem=large"], "architecture.stem=large: one of small, imagenet is accepted"),
        (
            ["architecture=resnet", "architecture.depth=22"],
            "architecture.depth=22: a depth of 6n+2 is accepted, such as 20 or 26",
        ),
        (["architecture=resnet", "architecture.depth=null"], "architecture.depth=null: a depth of 6n+2 is accepted"),
        (["architecture=resnet", "architecture.width=0"], "architecture.width=0: a whole number of at least 1 is accepted"),
        (["architecture=resnet", "architecture.shortcut=C"], "architecture.shortcut=C: one of A, B is accepted"),
        (["architecture=resnet", "architecture.initialization=zero"], "architecture.initialization=zero: one of he, xavier"),
        (["architecture=resnet", "architecture.weights=torchvision"], "architecture.weights=torchvision: has weights of dense"),
        (["architecture=resnet", "finetune.freeze=layer4"], "finetune.freeze=layer4: one of none, features, conv1, layer1, l"),
        (["architecture.num_classes=5"], "architecture.num_classes=5 does not fit the data set"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_accepted(overrides, accepted):
    with pytest.raises(ConfigError) as caught:
        composition.typed(composition.compose(overrides))
    assert str(caught.value).startswith(accepted)


def test_a_checked_config_is_left_as_it_was():
    config = composition.typed(composition.compose(["optimizer=adamw"]))
    before = repr(config)
    check(config)
    assert repr(config) == before


@pytest.mark.parametrize(
    ("changes", "is_remarked_on"),
    [
        (["data=digits"], False),
        (["data=digits", "test_time_flip=true"], True),
        (["data=digits", "test_time_flip=true", "data.augment.horizontal_flip=true"], False),
        (["data=digits", "test_time_flip=true", "data.augment.horizontal_flip=alternating"], False),
        (["data=digits", "test_time_flip=true", "+architecture.weights=model.pt"], False),
    ],
)
def test_mirror_images_that_training_does_not_show_are_remarked_on(changes, is_remarked_on):
    remark = remark_on_test_time_flip(composition.typed(composition.compose(changes)))
    assert bool(remark) == is_remarked_on
