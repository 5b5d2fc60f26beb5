"""Keys that are true or false take nothing else."""

import pytest

from densenet_sweep.config import composition
from densenet_sweep.config.runnable import checked
from densenet_sweep.config.schema import ConfigError

SWEEP = ["sweep=growth_depth_lr", "data=digits"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("test_time_flip=2", "test_time_flip=2"),
        ("architecture.memory_efficient=yes", "architecture.memory_efficient=yes"),
        ("data.normalize='1'", "data.normalize=1"),
        ("++optimizer.nesterov=0", "optimizer.nesterov=0"),
        ("data.augment.vertical_flip=on", "data.augment.vertical_flip=on"),
        ("test_time_flip=false,1", "test_time_flip=1"),
        ("test_time_flip=choice(true,off)", "test_time_flip=off"),
    ],
)
def test_numbers_and_words_are_refused(override, message):
    with pytest.raises(ConfigError, match=rf"^{message}: true or false is accepted$"):
        composition.compose(["data=digits", override])
    with pytest.raises(ConfigError, match=rf"^{message}: true or false is accepted$"):
        checked([*SWEEP, override])


def test_true_and_false_are_taken_and_numbers_of_other_keys(monkeypatch):
    monkeypatch.setenv("FLIP", "true")
    typed = ["data=digits", "optimizer.nesterov=False", "test_time_flip=${oc.env:FLIP}", "seed=1", "data.on_device=true"]
    config = composition.typed(composition.compose(typed))
    assert (config.optimizer.nesterov, config.test_time_flip, config.seed, config.data.on_device) == (False, True, 1, True)
    assert checked([*SWEEP, "test_time_flip=true,false", "seed=0,1"]).is_multirun


@pytest.mark.parametrize(
    ("group", "text", "message"),
    [
        ("experiment", "# @package _global_\ntest_time_flip: 2\n", "experiment/mine.yaml: test_time_flip=2"),
        ("optimizer", "defaults: [nesterov]\nnesterov: 'on'\n", "optimizer/mine.yaml: optimizer.nesterov=on"),
    ],
)
def test_numbers_and_words_in_a_file_are_refused(group, text, message, tmp_path):
    file = tmp_path / group / "mine.yaml"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^{message}: true or false is accepted$"):
        composition.compose(["data=digits", f"{group}=mine"], config_dir=str(tmp_path))
    with pytest.raises(ConfigError, match=rf"^{message}: true or false is accepted$"):
        checked(["data=digits", f"{group}=mine", f"--config-dir={tmp_path}"])


def test_a_file_may_use_the_words_of_yaml(tmp_path):
    (tmp_path / "experiment").mkdir()
    content = "# @package _global_\ntest_time_flip: yes\nseed: 1\ndata: {on_device: auto}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(content, encoding="utf-8")
    config = composition.typed(composition.compose(["data=digits", "experiment=mine"], config_dir=str(tmp_path)))
    assert (config.test_time_flip, config.seed) == (True, 1)
