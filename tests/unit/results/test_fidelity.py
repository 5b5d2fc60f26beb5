import pytest

from densenet_sweep.results import fidelity, noise
from densenet_sweep.results.study import Study, Trial


def study(*trials: Trial) -> Study:
    return Study("it", ("valid_accuracy",), ("maximize",), trials)


RUNGS = study(
    Trial(0, "complete", (0.9,), reports={1: 0.5, 2: 0.8, 3: 0.9}, rungs=(1,), epochs=3, num_valid=100),
    Trial(1, "pruned", (0.4,), reports={1: 0.4}, rungs=(1,), epochs=3),
    Trial(2, "pruned", (0.6,), reports={1: 0.6}, rungs=(1,), epochs=3),
    Trial(3, "complete", (0.95,), reports={1: 0.6, 3: 0.95}, rungs=(1,), epochs=3, promoted_from=2, passed_step=1),
    Trial(4, "failed", rungs=(1,)),
)


def test_after_a_rung_every_trial_has_a_value_once():
    found = fidelity.early(RUNGS)
    assert found is not None
    assert (found.step, found.words) == (1, "after a rung of 1 epoch")
    assert {trial.number: (trial.state, trial.values) for trial in found.study.trials} == {
        0: ("complete", (0.5,)),
        1: ("complete", (0.4,)),
        2: ("complete", (0.6,)),
    }
    assert fidelity.end(RUNGS) == "after all 3 epochs"


def test_without_rungs_it_is_the_last_epoch_that_most_trials_reached():
    found = fidelity.early(
        study(
            Trial(0, "complete", (0.9,), reports={1: 0.5, 2: 0.8, 3: 0.9}),
            Trial(1, "pruned", (0.7,), reports={1: 0.4, 2: 0.7}),
            Trial(2, "failed", reports={1: float("nan")}),
        )
    )
    assert found is not None
    assert (found.step, found.words, len(found.study.trials)) == (2, "after epoch 2", 2)


def test_where_all_are_complete_there_is_nothing_earlier_to_look_at():
    assert fidelity.early(study(Trial(0, "complete", (0.9,), reports={1: 0.5, 2: 0.9}))) is None
    assert fidelity.end(study(Trial(0, "complete", (0.9,)))) == "at the end of training"


def test_a_standard_error_is_that_of_the_images_and_of_the_last_report():
    errors = noise.standard_errors(RUNGS)
    assert errors == {
        0: pytest.approx(0.03),
        1: pytest.approx(0.049, abs=1e-3),
        2: errors[1],
        3: pytest.approx(0.0218, abs=1e-4),
    }
