import json
import math

import pytest
from hydra_async_sweeper.best_config import as_json
from hydra_async_sweeper.study import earlier
from omegaconf import OmegaConf

STORED = {"epochs": 3, "optimizer._target_": "old.sgd", "optimizer.lr": 0.1}


@pytest.fixture(autouse=True)
def _moved(monkeypatch):
    monkeypatch.setitem(earlier.MOVED_TARGETS, "old.sgd", "new.sgd")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({}, None),
        ({"epochs": 4}, ("epochs", 3, 4)),
        ({"ema": 0.0}, None),
        ({"ema": 0.9}, ("ema", 0.0, 0.9)),
        ({"mine": None}, ("mine", earlier.NOTHING, None)),
        ({"optimizer._target_": "new.adamw"}, ("optimizer._target_", "new.sgd", "new.adamw")),
    ],
)
def test_what_was_not_stored_counts_as_its_default(changes, difference):
    present = {**STORED, "optimizer._target_": "new.sgd", **changes}
    assert earlier.first_difference(STORED, present, lambda: {"ema": 0.0, "beside": 1}) == difference


def test_a_stored_key_that_there_is_no_longer_is_a_difference():
    present = {**STORED, "optimizer._target_": "new.sgd"}
    assert earlier.first_difference({**STORED, "gone": 1}, present) == ("gone", 1, earlier.NOTHING)


def test_bytes_are_kept_as_text():
    kept = as_json({"raw": b"\xff", "all": [b"a", 1]})
    assert kept == {"raw": "b'\\xff'", "all": ["b'a'", 1]}
    composed = OmegaConf.create({"raw": b"other"})
    earlier.set_stored(composed, kept)
    assert composed.raw == b"\xff"


def test_sections_name_the_present_classes_nested_ones_too():
    section = {"_target_": "old.sgd", "lr": 1, "within": {"_target_": "old.sgd"}, "text": "old.sgd"}
    present = {"_target_": "new.sgd", "lr": 1, "within": {"_target_": "new.sgd"}, "text": "old.sgd"}
    assert earlier.with_present_targets(section) == present


def test_a_nan_is_the_same_as_a_nan():
    stored = {"fill": math.nan, "fills": [1.0, {"a": math.nan}]}
    assert earlier.first_difference(stored, json.loads(json.dumps(stored))) is None
    assert earlier.first_difference({"fill": math.nan}, {"fill": 1.0}) is not None
    assert earlier.first_difference({"fill": [math.nan]}, {"fill": [math.nan, 1]}) is not None


def test_defaults_are_asked_for_only_where_a_key_is_missing():
    assert earlier.first_difference(STORED, {**STORED, "epochs": 4}, lambda: pytest.fail("not needed")) == ("epochs", 3, 4)


def test_a_default_that_is_interpolated_follows_the_stored_values():
    composed = OmegaConf.create({"epochs": 10, "warmup_epochs": "${epochs}", "optimizer": {"_target_": "x", "lr": 1.0}})
    OmegaConf.set_struct(composed, True)
    earlier.set_stored(composed, {**STORED, "gone": 1})
    assert OmegaConf.to_container(composed, resolve=True) == {
        "epochs": 3,
        "warmup_epochs": 3,
        "optimizer": {"_target_": "new.sgd", "lr": 0.1},
    }
