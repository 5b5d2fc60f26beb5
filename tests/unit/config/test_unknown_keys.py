"""Keys that `+` adds are refused as without it, at every depth; those of a user's own option file are known."""

from pathlib import Path

import pytest
import yaml

from densenet_sweep.config import composition, errors
from densenet_sweep.config.runnable import checked
from densenet_sweep.config.schema import ConfigError

ROOT = "the config accepts seed, epochs,"
OPTIMIZER = "optimizer accepts lr, max_grad_norm, weight_decay, decay_norm_and_bias, momentum, nesterov"


def message(*overrides: str, config_dir: Path | None = None) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Hydra's own kinds
        composition.typed(composition.compose(overrides, config_dir=None if config_dir is None else str(config_dir)))
    return errors.one_line(caught.value)


@pytest.mark.parametrize("plus", ["+", "++"])
@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("epoch=3", f"unknown key epoch; did you mean epochs?; {ROOT}"),
        ("class_weights=balanced", f"unknown key class_weights; {ROOT}"),
        ("optimizer.lrr=1e-9", f"unknown key optimizer.lrr; did you mean lr?; {OPTIMIZER}"),
        (
            "data.augment.blur=0.2",
            "unknown key data.augment.blur; data.augment accepts crop_padding, horizontal_flip, cutout",
        ),
        ("limits.num_parameter=1", "unknown key limits.num_parameter; did you mean num_parameters?; limits accepts num_param"),
        ("tracking.url=x", "unknown key tracking.url; did you mean uri?; tracking accepts "),
    ],
)
def test_a_key_that_the_config_does_not_have_is_refused(override, plus, line):
    assert message(f"{plus}{override}").startswith(line)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("+class_weights=balanced,none", f"unknown key class_weights; {ROOT}"),  # of a grid
        ("++optimizer.lrr=tag(log,interval(1e-3,1))", f"unknown key optimizer.lrr; did you mean lr?; {OPTIMIZER}"),
        ("+optimizer={lrr:1}", f"unknown key optimizer.lrr; did you mean lr?; {OPTIMIZER}"),
        ("+optimizer.lr.scale=2", "unknown key optimizer.lr.scale"),
        ("+limit.a.b=2", f"unknown key limit; did you mean limits?; {ROOT}"),
        ("+optimizer@second=adamw", f"unknown key second; did you mean max_seconds?; {ROOT}"),
    ],
)
def test_there_is_no_other_way_to_add_one(override, line):
    assert message(override).startswith(line)


def test_what_is_there_may_be_forced_and_hydras_own_part_added_to():
    typed = composition.typed(composition.compose(["++epochs=3", "++data.augment.cutout_size=2", "+hydra.job.env_set.A=b"]))
    assert (typed.epochs, typed.data.augment.cutout_size) == (3, 2)


OWN = """
_target_: my_package.lion
lr: 3e-4
max_grad_norm: null
beta: 0.9
inner:
  decoupled: true
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "optimizer"
    folder.mkdir()
    (folder / "lion.yaml").write_text(OWN, encoding="utf-8")
    (tmp_path / "experiment").mkdir()
    for name, optimizer in (("number", "5"), ("dash", "{beta-2: 0.9}")):
        text = f"# @package _global_\noptimizer: {optimizer}\n"
        (tmp_path / "experiment" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["optimizer.betta=1"],
            "unknown key optimizer.betta; did you mean beta?; optimizer accepts lr, max_grad_norm, beta, inner",
        ),
        (["+optimizer.betta=1"], "unknown key optimizer.betta; did you mean beta?; optimizer accepts lr, max_grad_norm, beta,"),
        (["++optimizer.inner.x=1"], "unknown key optimizer.inner.x; optimizer.inner accepts decoupled"),
        (["optimizer.lr=fast"], "optimizer.lr=fast: a number is accepted"),
        (["optimizer.lr=-1"], "optimizer.lr=-1: a number above 0 is accepted"),
        (["optimizer.max_grad_norm=0"], "optimizer.max_grad_norm=0: a number above 0 is accepted"),
        (["experiment=dash"], "optimizer.beta-2: the name of an argument is accepted"),
        (["experiment=number"], "optimizer=5: an option of the group optimizer is accepted"),
    ],
)
def test_an_option_file_of_ones_own_says_which_keys_its_section_has(mine, overrides, line, monkeypatch):
    monkeypatch.setattr("densenet_sweep.config.composition.check_targets", lambda _: None)
    assert message("optimizer=lion", *overrides, config_dir=mine).startswith(line)


def test_the_keys_of_an_option_file_of_ones_own_are_kept_and_set(mine, monkeypatch):
    monkeypatch.setattr("densenet_sweep.config.composition.check_targets", lambda _: None)
    overrides = ["optimizer=lion", "optimizer.beta=0.8", "++optimizer.inner.decoupled=false"]
    optimizer = composition.typed(composition.compose(overrides, config_dir=str(mine))).optimizer
    assert (optimizer.lr, optimizer.beta, optimizer.inner) == (3e-4, 0.8, {"decoupled": False})


def test_an_option_file_older_than_a_key_has_its_default(mine, monkeypatch):
    monkeypatch.setattr("densenet_sweep.config.composition.check_targets", lambda _: None)
    (mine / "data").mkdir()
    own = yaml.safe_load((composition.config_folder() / "data" / "fashion_mnist.yaml").read_text(encoding="utf-8"))
    del own["defaults"], own["sampling"]
    own["augment"] = {"crop_padding": 0, "horizontal_flip": False, "cutout_size": 0}
    (mine / "data" / "own.yaml").write_text(yaml.safe_dump({**own, "_target_": "my_package.own"}), encoding="utf-8")
    assert composition.typed(composition.compose(["data=own"], config_dir=str(mine))).data.sampling == "natural"


def test_an_option_file_of_ones_own_has_the_keys_of_its_group(mine):
    (mine / "optimizer" / "lion.yaml").write_text("_target_: my_package.lion\nlr: 0.1\n", encoding="utf-8")
    line = "optimizer.max_grad_norm: has no value; an option file of your own gives one to _target_, lr, max_grad_norm"
    assert message("optimizer=lion", config_dir=mine) == line


@pytest.mark.parametrize(
    ("override", "line"),
    [
        *((f"~{key}", f"~{key}: cannot be removed, as it needs a value") for key in ("epochs", "max_seconds", "data.augment")),
        ("~trusted_targets", "~trusted_targets: cannot be removed, as it needs a value"),
        ("~limits.memory_bytes", "~limits.memory_bytes: cannot be removed, as it needs a value"),
        ("~seed=5", "~seed: cannot be removed, as it needs a value"),
        ("~epoch", f"unknown key epoch; did you mean epochs?; {ROOT}"),
        ("~optimizer.lrr", f"unknown key optimizer.lrr; did you mean lr?; {OPTIMIZER}"),
    ],
)
def test_a_key_is_removed_only_where_nothing_needs_it(override, line):
    assert message(override).startswith(line)


def test_a_sweep_needs_its_keys_too():
    with pytest.raises(ConfigError, match=r"^~objective: cannot be removed, as it needs a value$"):
        checked(["sweep=growth_depth_lr", "data=digits", "~objective"])


def test_a_key_of_hydras_is_removed_by_the_same_rule():
    with pytest.raises(ConfigError, match=r"^~hydra\.sweep\.subdir: cannot be removed, as it needs a value$"):
        checked(["~hydra.sweep.subdir"])


def test_an_option_may_be_removed():
    assert checked(["sweep=quickstart", "~sweep", "~experiment"]).is_multirun is False


def test_an_interpolation_that_leads_nowhere_is_named_with_its_key():
    assert message("data.root='a${b}'") == "data.root: ${b} is not a key of the config"
