"""Whether a repetition gave the numbers of the run that it repeats."""

from unittest.mock import Mock

import pytest
from hydra_async_sweeper.trial import NullTrial

from densenet_sweep.config.schema import ReferenceConfig
from densenet_sweep.run import reference

FOUND = {"epoch": 3.0, "valid_accuracy": 0.9, "valid_loss": 0.3, "train_loss": 0.2}


def expected(**changes) -> ReferenceConfig:
    values = {"of": "run 7", "train_loss": 0.2, "valid_loss": 0.3, "valid_accuracy": 0.9, "test_accuracy": None}
    return ReferenceConfig(**{**values, **changes})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (expected(), "the same numbers as run 7: valid_accuracy 0.9, valid_loss 0.3, train_loss 0.2"),
        (expected(valid_loss=None, test_accuracy=0.5), "the same numbers as run 7: valid_accuracy 0.9, train_loss 0.2"),
        (
            expected(valid_loss=0.3000001),
            "other numbers than run 7: valid_loss 0.3 instead of 0.3000001; another value, device,",
        ),
        (expected(valid_accuracy=None, valid_loss=None, train_loss=None), ""),
    ],
)
def test_a_line_says_whether_the_numbers_are_the_same(given, said, caplog):
    caplog.set_level("INFO", "densenet_sweep")
    reference.compare(given, NullTrial(), FOUND)
    assert [record.getMessage()[: len(said)] for record in caplog.records] == ([said] if said else [])


def test_the_trials_of_a_sweep_repeat_nothing(caplog):
    reference.compare(expected(valid_loss=1.0), Mock(number=3), FOUND)
    assert caplog.text == ""


def test_a_trial_says_how_it_is_repeated():
    trial = Mock(number=3, study_name="small")
    assert reference.repetition(2, trial, FOUND) == {
        "num_threads": 2,
        "reference.of": "trial 3 of study small",
        "reference.valid_accuracy": 0.9,
        "reference.valid_loss": 0.3,
        "reference.train_loss": 0.2,
    }
