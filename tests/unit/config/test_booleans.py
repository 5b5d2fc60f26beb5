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
