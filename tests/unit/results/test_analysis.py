import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from densenet_sweep.results import analysis
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.study import Study


def study_of(*curves: list[float], direction: str = "maximize", planned: int = 9, pruned: int = 0) -> Study:
    """A study whose last `pruned` trials were pruned after what their curves say; a second an epoch."""
    study = optuna.create_study(direction=direction)
    for index, curve in enumerate(curves):
        is_pruned = index >= len(curves) - pruned
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
                value=curve[-1],
                params={"a.x": curve[-1], "a.y": (index * 7 % 10) / 10},
                distributions={"a.x": FloatDistribution(0, 1), "a.y": FloatDistribution(0, 1)},
                intermediate_values={epoch + 1: value for epoch, value in enumerate(curve)},
                user_attrs={"num_steps": planned, "seconds": 1.0 * len(curve)},
            )
        )
    return read_study(study)


def test_what_decides_is_most_important():
    shares = analysis.importance(study_of(*[[index / 20] for index in range(20)]))
    assert list(shares) == ["a.x", "a.y"]
    assert shares["a.x"] > 0.6
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("curves", [[], [[0.1]] * 9, [[0.1], [0.2]]])
def test_too_little_says_nothing(curves):
    study = study_of(*curves)
    assert analysis.importance(study) == {}
    assert analysis.rank_correlations(study) == {}
    assert analysis.sentences(study) == []


def test_pruning_saves_the_epochs_that_were_not_trained():
    study = study_of([0.5] * 9, [0.2], [0.3] * 3, pruned=2)
    assert analysis.saving(study) == analysis.Saving(num_trained=4, num_planned=18, seconds=14.0)
    assert analysis.saving(study_of([0.5] * 9)) is None


def test_the_order_after_an_epoch_against_the_order_at_the_end():
    finals = [0.1, 0.2, 0.3, 0.4, 0.5]
    curves = [[1 - final, 0, final, *[final] * 7] for final in finals]  # reversed at first, right from the third on
    correlations = analysis.rank_correlations(study_of(*curves, planned=10))
    assert {epoch: found.rho for epoch, found in correlations.items()} == pytest.approx({1: -1, 3: 1, 9: 1})


def test_rungs_are_epochs_beside_the_training():
    study = optuna.create_study(direction="maximize")
    for index, state in enumerate([TrialState.COMPLETE] * 5 + [TrialState.PRUNED] * 2):
        is_pruned = state == TrialState.PRUNED
        curve = {1: -index, 3: index} | ({} if is_pruned else {2: 0.0, **dict.fromkeys(range(4, 10), float(index))})
        if index == 6:
            del curve[3]
        attributes = {"num_steps": 9, "rungs": [1, 3], "seconds": 1.0 if index == 6 else 4.0 if is_pruned else 13.0}
        study.add_trial(create_trial(state=state, value=index, intermediate_values=curve, user_attrs=attributes))
    study = read_study(study)
    assert analysis.saving(study) == analysis.Saving(num_trained=5, num_planned=26, seconds=21.0)
    assert {rung: found.rho for rung, found in analysis.rank_correlations(study).items()} == pytest.approx({1: -1, 3: 1})
    assert analysis.sentences(study)[-1].endswith(
        "(Spearman): -1.00 (-1.0 to 0.5, 5 trials) after rung 1, 1.00 (-0.5 to 1.0, 5 trials) after rung 3."
    )


def test_a_trial_that_went_on_was_not_given_up():
    study = optuna.create_study(direction="maximize")
    for seconds, value, promoted in ((1.0, 0.5, {}), (1.0, 0.4, {}), (3.0, 0.6, {"promoted_from": {"trial": 0, "step": 1}})):
        curve = {1: value, 3: value} if promoted else {1: value}
        attributes = {"num_steps": 9, "rungs": [1, 3], "seconds": seconds, **promoted}
        study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values=curve, user_attrs=attributes))
    # 1 of 1 + 3 + 9, and where that of one epoch was behind it 3 of 3 + 9.
    assert analysis.saving(read_study(study)) == analysis.Saving(num_trained=4, num_planned=25, seconds=21.0)


def test_the_sentences():
    curves = [[0.1 * index, *[0.1 * index] * 3] for index in range(1, 7)]
    study = study_of(*curves, [0.05], planned=4, pruned=1)
    assert analysis.sentences(study) == [
        "Pruned trials trained 1 of 4 epochs, which saved about 3 seconds.",
        "Rank correlation of complete trials with their end (Spearman): 1.00 (-0.1 to 1.0, 6 trials) after epoch 1, "
        "1.00 (-0.1 to 1.0, 6 trials) after epoch 3.",
    ]
    many = study_of(*[[index / 20] for index in range(20)])
    assert analysis.sentences(many)[0].startswith("Importance (PED-ANOVA, 20 complete trials): x ")
    few = study_of(*[[index / 20] * 4 for index in range(3)], *[[index / 20] for index in range(3, 12)], planned=4, pruned=9)
    assert analysis.sentences(few)[0].startswith("Importance after epoch 1 (PED-ANOVA, 12 trials): x ")


def test_several_objectives_have_no_single_order():
    study = optuna.create_study(directions=["maximize", "minimize"])
    for index in range(9):
        study.add_trial(
            create_trial(values=[index, index], params={"x": 0.1 * index}, distributions={"x": FloatDistribution(0, 1)})
        )
    assert analysis.sentences(read_study(study)) == []
