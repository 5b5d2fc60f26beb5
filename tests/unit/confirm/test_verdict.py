import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console

from densenet_sweep.confirm import text as confirmation
from densenet_sweep.confirm import verdict
from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.results.from_optuna import read_study

FINALISTS = Finalists(
    study="growth",
    objective="valid_accuracy",
    num_finished=24,
    trials=(
        Finalist(7, 0.96, {"architecture.depth": 40, "optimizer.lr": 0.1}, 175_690),
        Finalist(3, 0.955, {"architecture.depth": 22, "optimizer.lr": 0.2}, 71_254),
        Finalist(12, 0.94, {"architecture.depth": 16, "optimizer.lr": 0.05}, 20_470),
    ),
)
DISTRIBUTIONS = {
    "experiment": CategoricalDistribution([finalist.option for finalist in FINALISTS.trials]),
    "seed": IntDistribution(0, 2**31 - 1),
}
# The first two differ by less than their seeds do.
ACCURACIES = {"trial_7": [0.951, 0.955, 0.953], "trial_3": [0.952, 0.954, 0.9525], "trial_12": [0.93, 0.931, 0.929]}


def runs(**accuracies: list[float]) -> optuna.Study:
    study = optuna.create_study(study_name="growth-confirmation-of-24", direction="maximize")
    for option, values in accuracies.items():
        for index, value in enumerate(values):
            add(study, option, 1000 + index, "COMPLETE", value)
    return study


def add(study: optuna.Study, option: str, seed: int, state: str, value: float | None = None, **attributes: Any) -> None:
    study.add_trial(
        create_trial(
            state=TrialState[state],
            value=value,
            params={"experiment": option, "seed": seed},
            distributions=DISTRIBUTIONS,
            user_attrs={"num_test": 10_000, **attributes},
        )
    )


def shown(found: verdict.Verdict, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    confirmation.show(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(found: verdict.Verdict) -> str:
    return " ".join(confirmation.sentences(found))


def test_the_champion_is_the_smallest_that_cannot_be_told_from_the_best(tmp_path):
    found = verdict.reach(read_study(runs(**ACCURACIES)), tmp_path, FINALISTS)
    assert [result.finalist.trial for result in found.results] == [7, 3, 12]
    assert found.champion is not None
    assert found.results[found.champion].finalist.trial == 3
    text = words(found)
    assert "Trial 3 cannot be told from the best mean, trial 7's, on 10,000 test images" in text
    assert "5 % level, Holm over 3 pairs" in text
    assert "Champion: trial 3, with 71,254 weights the smallest of these. Test accuracy 0.9528 ± 0.0010 over 3 seeds" in text
    assert "Its mean is 0.0002 below the best one's, which is within the noise; more --seeds would tell more." in text
    assert "The sweep had said 0.9600 of its best, trial 7" in text
    assert "0.0070 more than the mean on the test set" in text


def test_what_stands_out_is_the_champion_whatever_its_size(tmp_path):
    found = verdict.reach(read_study(runs(trial_7=[0.951, 0.955], trial_12=[0.93, 0.931])), tmp_path, FINALISTS)
    assert found.champion == 0
    assert "Trial 7 stands out from the others" in words(found)
    assert "Champion: trial 7, with 175,690 weights the best." in words(found)


def test_a_table_fits_80_columns(tmp_path):
    more = {"architecture.growth_rate": 12, "optimizer.lr": 0.07346767}
    three = tuple(replace(it, params={**it.params, **more}) for it in FINALISTS.trials)
    text = shown(verdict.reach(read_study(runs(**ACCURACIES)), tmp_path, replace(FINALISTS, trials=three)))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    body = text[text.index("───") :].splitlines()[1:]
    assert "trial 7 > trial 3" in text
    assert body[1].split() == ["3", "22", "12", "0.07347", "71,254", "0.9528", "0.0010", "0.0026", "0.0002", "0.96", "0.9550"]


def test_before_all_runs_have_ended_no_champion_is_named(tmp_path):
    study = runs(**ACCURACIES)
    add(study, "trial_7", 1003, "WAITING")
    add(study, "trial_3", 1003, "RUNNING")
    found = verdict.reach(read_study(study), tmp_path, FINALISTS)
    assert found.champion is None
    assert "2 runs are still to come, so no champion is named." in words(found)
    assert "Champion" not in words(found)


def test_a_finalist_that_ran_once_or_failed_does_not_take_part(tmp_path):
    study = runs(trial_7=[0.951], trial_3=[0.95, 0.951])
    add(study, "trial_7", 1001, "FAIL", reason="DivergedError: the loss is nan")
    found = verdict.reach(read_study(study), tmp_path, FINALISTS)
    assert [result.finalist.trial for result in found.results] == [3]
    assert "run 3 failed: DivergedError: the loss is nan" in words(found)
    assert "Champion: trial 3, with 71,254 weights the only finalist." in words(found)
    assert "No finalist has been trained twice." in words(verdict.reach(read_study(runs(trial_7=[0.9])), tmp_path, FINALISTS))


def test_images_are_compared_one_by_one_where_they_are_known(tmp_path):
    study = runs(trial_7=[0.96, 0.955], trial_3=[0.94, 0.945])
    before = verdict.reach(read_study(study), tmp_path, FINALISTS).behind[1].difference.standard_error
    for trial in study.trials:
        folder = tmp_path / str(trial.number) / "artifacts"
        folder.mkdir(parents=True)
        wrong = round((1 - trial.value) * 1000)
        np.save(folder / "test_right.npy", np.arange(1000) >= wrong)  # the same images are the hard ones
    after = verdict.reach(read_study(study), tmp_path, FINALISTS)
    assert after.results[0].runs.is_right_SN is not None
    assert after.results[0].runs.is_right_SN.shape == (2, 1000)
    assert after.behind[1].difference.standard_error != before
    (tmp_path / "0" / "artifacts" / "test_right.npy").write_bytes(b"damaged")
    assert verdict.reach(read_study(study), tmp_path, FINALISTS).behind[1].difference.standard_error == pytest.approx(before)


@pytest.mark.parametrize(
    ("objective", "direction", "values", "champion"),
    [
        ("auroc", "maximize", {"trial_7": [0.95, 0.951], "trial_3": [0.949, 0.95], "trial_12": [0.80, 0.801]}, 3),
        ("log_loss", "minimize", {"trial_7": [0.20, 0.201], "trial_3": [0.202, 0.203], "trial_12": [0.4, 0.401]}, 3),
    ],
)
def test_another_metric_is_compared_with_the_noise_of_its_bootstrap(objective, direction, values, champion, tmp_path):
    study = optuna.create_study(study_name="c", direction=direction)
    study.set_user_attr("config", {"objective": objective})
    study.set_user_attr("repeats", True)
    for option, of_option in values.items():
        for index, value in enumerate(of_option):
            add(study, option, 1000 + index, "COMPLETE", value, uncertainty={"deviation": 0.01, "low": 0.0, "high": 1.0})
    found = verdict.reach(read_study(study), tmp_path, replace(FINALISTS, objective=f"valid_{objective}"))
    assert found.metric == f"test_{objective}"
    assert [result.finalist.trial for result in found.results] == [7, 3, 12]
    assert found.equals == (0, 1)
    assert found.behind[1].difference.standard_error == pytest.approx(0.0142, abs=2e-4)
    label = {"auroc": "AUROC", "log_loss": "log loss"}[objective]
    text = words(found)
    assert f"Champion: trial {champion}, with 71,254 weights the smallest of these. Test {label} " in text
    assert confirmation.title(found) == f"confirmation of growth: test {label} over 2 seeds"
    assert confirmation.as_object(found)["finalists"][0][found.metric] == dict(
        zip((1000, 1001), values["trial_7"], strict=True)
    )


def test_it_is_said_in_json_too(tmp_path):
    found = json.loads(json.dumps(confirmation.as_object(verdict.reach(read_study(runs(**ACCURACIES)), tmp_path, FINALISTS))))
    assert (found["study"], found["champion"]) == ("growth", 3)
    first, second, third = found["finalists"]
    assert first["test_accuracies"] == {"1000": 0.951, "1001": 0.955, "1002": 0.953}
    assert [it["cannot_be_told_from_the_best"] for it in (first, second, third)] == [True, True, False]
    assert second["valid_accuracy"] == 0.955
    pair = next(it for it in found["pairs"] if (it["better"], it["other"]) == (7, 3))
    assert (pair["seeds"], pair["is_decided"]) == (3, False)
    assert 0.5 < pair["probability"] < 0.6
    assert pair["p_value"] == second["p_value"]


def test_on_new_splits_configurations_are_compared_on_the_same_ones(tmp_path):
    study = runs(trial_7=[0.9, 0.7, 0.8], trial_3=[0.89, 0.69])
    found = verdict.reach(read_study(study), tmp_path, replace(FINALISTS, test_fraction=0.2))
    assert [result.runs.values_S.tolist() for result in found.results] == [[0.9, 0.7], [0.89, 0.69]]
    assert found.equals == (0,)  # always 0.01 behind, however much the splits differ
    assert "Trial 7 stands out from the others on 2 seeds, each with test images of its own (paired t over splits" in words(
        found
    )


def test_it_adds_seeds_until_it_is_decided(tmp_path):
    planned = replace(FINALISTS, planned=(1000, 1001, 1002, 1003))
    study = runs(**ACCURACIES)
    assert verdict.wanted(read_study(study), tmp_path, FINALISTS) == []
    assert verdict.wanted(read_study(study), tmp_path, planned) == [("trial_7", 1003), ("trial_3", 1003)]
    found = verdict.reach(read_study(study), tmp_path, planned)
    assert (found.champion, found.num_missing) == (None, 2)
    for option in ("trial_7", "trial_3"):
        add(study, option, 1003, "COMPLETE", 0.9525)
    found = verdict.reach(read_study(study), tmp_path, planned)
    assert [(result.finalist.trial, len(result.trials)) for result in found.results] == [(7, 4), (3, 4), (12, 3)]
    assert (found.equals, found.num_missing, found.champion) == ((0, 1), 0, 1)
    assert "5 % level, Holm over 3 pairs, looks after each of up to 4 seeds" in words(found)
    assert "which is within the noise." in words(found)  # more seeds would not hold the error


def test_images_in_groups_are_compared_by_the_resamples_of_the_groups(tmp_path):
    study = optuna.create_study(study_name="c", direction="maximize")
    for option, values in {"trial_7": [0.96, 0.955], "trial_3": [0.94, 0.945]}.items():
        for seed, value in enumerate(values):
            add(study, option, seed, "COMPLETE", value, uncertainty={"deviation": 0.03, "low": 0.0, "high": 1.0})
    apart = verdict.reach(read_study(study), tmp_path, FINALISTS).behind[1].difference
    assert apart.standard_error == pytest.approx(0.0426, abs=2e-4)  # as if each had images of its own
    shared = np.random.default_rng(0).normal(0, 0.03, 200)
    for trial in study.trials:
        (tmp_path / str(trial.number) / "artifacts").mkdir(parents=True)
        np.save(tmp_path / str(trial.number) / "artifacts" / "test_right.npy", np.ones(10_000, dtype=bool))
        np.savez(tmp_path / str(trial.number) / "artifacts" / "test_resampled.npz", values_R=trial.value + shared, num_drawn=40)
    paired = verdict.reach(read_study(study), tmp_path, FINALISTS).behind[1].difference
    assert paired.standard_error == pytest.approx(0.0035, abs=1e-4)  # that of the seeds


def test_runs_of_other_test_images_are_named(tmp_path):
    study = runs(trial_7=[0.96, 0.955])
    assert "different images" not in words(verdict.reach(read_study(study), tmp_path, FINALISTS))
    add(study, "trial_7", 1002, "COMPLETE", 0.957, num_test=9_000)  # as an earlier version let it be
    found = verdict.reach(read_study(study), tmp_path, FINALISTS)
    assert "The runs were tested on different images, between 9,000 and 10,000 of them, so not all are compared" in words(found)
    assert verdict.reach(read_study(study), tmp_path, replace(FINALISTS, test_fraction=0.25)).remark == ""
