import math
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from densenet_sweep.results import analysis, noise
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.study import Study


def study_of(*accuracies: float, name: str = "one", num_valid: int = 10_000, pruned: int = 0) -> Study:
    """A study whose last `pruned` trials are pruned."""
    study = optuna.create_study(study_name=name, direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    for index, accuracy in enumerate(accuracies):
        state = TrialState.PRUNED if index >= len(accuracies) - pruned else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, value=accuracy, user_attrs={"num_valid": num_valid}))
    return read_study(study)


@pytest.mark.parametrize(
    ("count", "mean"), [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi)), (100, 2.5076)]
)
def test_the_largest_of_many_is_large(count, mean):
    assert noise.expected_maximum(count) == pytest.approx(mean, abs=1e-4)


def test_the_best_of_a_hundred_equals_looks_half_a_point_better():
    found = noise.estimate(study_of(*[0.95] * 100))
    assert found.deviation == pytest.approx(0.0022, abs=5e-5)
    assert found.selection_bias == pytest.approx(0.0055, abs=5e-5)
    assert len(found.tied) == 99


def test_who_cannot_be_told_from_the_best():
    # With 0.95 on 10,000 images a difference has a standard deviation of 0.0031; of two trials it must exceed 1.64 of these,
    # of three 1.96.
    assert noise.estimate(study_of(0.95, 0.9455)).tied == (1,)
    assert noise.estimate(study_of(0.95, 0.9445)).tied == ()
    assert noise.estimate(study_of(0.5, 0.9445, 0.95)).tied == (1,)
    assert noise.estimate(study_of(0.95, 0.9445, 0.94, 0.5, pruned=3)).tied == ()


def test_the_truly_best_is_seldom_ruled_out():
    # Ten trials of one accuracy: the first is as much the best as any. Bonferroni promises 95 %.
    random = np.random.default_rng(0)
    right = random.binomial(1000, 0.9, size=(2000, 10)) / 1000
    candidates = [[noise.Accuracy(index, float(it), 1000) for index, it in enumerate(row)] for row in right]
    ruled_out = [noise.is_significantly_worse(max(row, key=lambda one: one.accuracy), row[0], 10) for row in candidates]
    assert 0.001 < np.mean(ruled_out) < 0.05


def test_an_accuracy_of_one_is_not_certain():
    found = noise.estimate(study_of(1.0, 1.0, 0.9999, 0.5))
    assert found.deviation > 0
    assert found.tied == (1, 2)


@pytest.mark.parametrize("num_valid", [None, 0])
def test_nothing_is_claimed_without_the_number_of_images(num_valid):
    study = study_of(0.5)
    best = replace(study.trials[0], number=1, values=(0.9,), num_valid=num_valid)
    assert noise.estimate(replace(study, trials=(*study.trials, best))) is None


def test_bests_of_several_studies():
    wide, deep, bad = study_of(0.95, name="wide"), study_of(0.949, name="deep"), study_of(0.9, name="bad")
    assert noise.across([deep, wide]) == ["The best is wide's: deep cannot be told from it."]
    assert noise.across([bad, wide]) == ["The best is wide's: bad is worse beyond the noise."]
    assert noise.across([bad, wide, deep]) == [
        "The best is wide's: bad is worse beyond the noise, and deep cannot be told from it."
    ]
    assert noise.across([wide, read_study(optuna.create_study())]) == []


DIGITS = {"data._target_": "digits", "data.image_size": 8, "data.valid_fraction": 0.2, "data.split_seed": 0}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"data._target_": "mnist"}, "data sets"),
        ({"data.image_size": 16}, "image sizes"),
        ({"data.split_seed": 1}, "splits"),
        ({"data.valid_fraction": 0.1}, "splits"),
        ({"data._target_": "mnist", "data.image_size": 28, "data.split_seed": 3}, "data sets, image sizes and splits"),
    ],
)
def test_studies_that_were_validated_on_other_images_are_not_compared(changes, what):
    first = replace(study_of(0.9, name="first"), config=DIGITS)
    second = replace(study_of(0.8, name="second"), config=DIGITS)
    other = replace(study_of(0.99, name="other"), config={**DIGITS, **changes})
    assert noise.across([first, other]) == [f"Accuracies on different {what} do not compare: first | other."]
    assert noise.across([other, second, first]) == [
        f"Accuracies on different {what} do not compare: other | second and first. Within each:",
        "The best is first's: second is worse beyond the noise.",
    ]


def test_another_number_of_validation_images_is_another_split():
    few = study_of(0.93, name="few", num_valid=100)
    assert noise.across([study_of(0.95, name="wide"), few]) == [
        "Accuracies on different numbers of validation images do not compare: wide | few."
    ]


def test_what_does_not_decide_on_the_validation_images_may_differ():
    first = replace(study_of(0.9, name="first"), config={**DIGITS, "data.num_train": 300, "epochs": 3})
    other = replace(study_of(0.9, name="other"), config={"objective": "valid_accuracy"})  # rebuilt, and says nothing
    assert len(noise.across([first, other, replace(first, name="third", config=DIGITS)])) == 1


def test_trials_of_one_study_that_were_validated_on_other_images_are_not_compared():
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    options = CategoricalDistribution(["mnist", "digits"])
    for option in ("mnist", "digits"):
        study.add_trial(
            create_trial(value=0.9, params={"data": option}, distributions={"data": options}, user_attrs={"num_valid": 100})
        )
    assert noise.estimate(read_study(study)) is None
    assert analysis.sentences(read_study(study)) == [
        "The trials were validated on different images, as data was searched: their accuracies do not compare."
    ]


def test_of_two_trials_the_other_is_named_in_the_singular():
    assert "the other complete trial (~) cannot be told from the best, trial 0." in noise.sentence(
        noise.estimate(study_of(0.95, 0.949))
    )


def study_of_another(objective: str, direction: str, *values: float, deviation: float | None = 0.01) -> Study:
    study = optuna.create_study(study_name=objective, direction=direction)
    study.set_user_attr("config", {"objective": objective})
    known = {} if deviation is None else {"uncertainty": {"deviation": deviation, "low": 0.81, "high": 0.85}}
    for value in values:
        study.add_trial(create_trial(state=TrialState.COMPLETE, value=value, user_attrs={"num_valid": 200, **known}))
    return read_study(study)


@pytest.mark.parametrize(
    ("objective", "direction", "values"),
    [("auroc", "maximize", (0.83, 0.81, 0.80)), ("log_loss", "minimize", (0.40, 0.42, 0.43))],
)
def test_another_objective_has_the_uncertainty_of_its_bootstrap(objective, direction, values):
    # A difference has a deviation of 0.0141; of three trials it must exceed 1.96 of these, 0.0277.
    found = noise.estimate(study_of_another(objective, direction, *values))
    assert (found.best, found.tied, found.deviation, found.objective) == (0, (1,), 0.01, f"valid_{objective}")
    assert found.selection_bias == pytest.approx(0.01 / math.sqrt(math.pi))


def test_the_sentence_names_the_metric_and_its_interval():
    text = noise.sentence(noise.estimate(study_of_another("auroc", "maximize", 0.83)))
    assert text == (
        "One AUROC on 200 validation images is uncertain by 0.0100 (one standard deviation, from the number of images alone; "
        "the best's is between 0.8100 and 0.8500 with 95 %, by bootstrap)."
    )


def test_a_study_of_before_the_bootstrap_has_no_uncertainty():
    assert noise.estimate(study_of_another("valid_loss", "minimize", 0.4, 0.5, deviation=None)) is None


def test_only_bests_of_one_objective_are_compared():
    studies = [study_of_another("auroc", "maximize", 0.83), study_of_another("log_loss", "minimize", 0.4), study_of(0.9, 0.8)]
    assert noise.across(studies) == []


def of_folds(*trials: list[float], direction: str = "maximize") -> Study:
    study = optuna.create_study(direction=direction)
    study.set_user_attr("config", {"objective": "auroc" if direction == "maximize" else "valid_loss"})
    for values in trials:
        study.add_trial(create_trial(value=sum(values) / len(values), user_attrs={"num_valid": 500, "fold_values": values}))
    return read_study(study)


def test_means_over_folds_are_compared_fold_by_fold():
    best = [0.80, 0.90, 0.70, 0.85, 0.75]
    # Always 0.02 behind, however much the folds differ; and as far behind on average, with another deviation.
    steady, wild = [value - 0.02 for value in best], [0.88, 0.80, 0.78, 0.75, 0.69]
    found = noise.estimate(of_folds(best, [value + 0.0001 * index for index, value in enumerate(steady)], wild))
    assert (found.tied, found.num_folds) == ((2,), 5)
    assert found.deviation == pytest.approx(np.std(best, ddof=1) / math.sqrt(5))
    assert "A mean AUROC over 5 folds is uncertain by 0.0354" in noise.sentence(found)
    losses = noise.estimate(of_folds(best, steady, direction="minimize"))
    assert (losses.best, losses.tied) == (1, ())


def test_the_paired_test_over_folds_has_nadeau_and_bengios_variance():
    best, other = noise.Accuracy(0, 0.8, 100, 0.01, (0.8, 0.9, 0.7)), noise.Accuracy(1, 0.0, 100, 0.01, (0.0, 0.0, 0.0))
    # Differences of mean 0.8 and deviation 0.1: t = 0.8 / (0.1 · sqrt(1/3 + 1/2)), above t(2) at 5 %, 2.92.
    assert noise.is_significantly_worse(best, other, 2)
    near = noise.Accuracy(1, 0.54, 100, 0.01, (0.54, 0.54, 0.54))  # 0.26 / 0.0913 = 2.85
    assert not noise.is_significantly_worse(best, near, 2)
