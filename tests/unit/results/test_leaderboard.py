import csv
import io
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from rich.console import Console

from densenet_sweep.results import leaderboard
from densenet_sweep.results.formats import render
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.logged_metric import Metric

DISTRIBUTIONS = {
    "architecture.growth_rate": CategoricalDistribution([12, 24]),
    "architecture.block_config": CategoricalDistribution(["[6,6,6]", "[4,4,4]"]),
    "optimizer.lr": FloatDistribution(0.001, 1, log=True),
}


def study_of(direction: str = "maximize", objective: str = "valid_accuracy", name: str = "growth") -> optuna.Study:
    study = optuna.create_study(study_name=name, direction=direction)
    study.set_user_attr("config", {"objective": objective})
    return study


def add(study: optuna.Study, state: str, value: float | None = None, *, epochs: int = 2, **attributes: Any) -> None:
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState[state],
            value=value,
            params={"architecture.growth_rate": 12, "architecture.block_config": "[6,6,6]", "optimizer.lr": 0.1234567},
            distributions=DISTRIBUTIONS,
            user_attrs={"num_parameters": 1_234_567, "num_valid": 1000, "seconds": 1012.3, **attributes},
            intermediate_values=dict.fromkeys(range(1, epochs + 1), 0.5),
        )
    )


def shown(study: optuna.Study, *, width: int = 80, top: int = 10, metric: Metric | None = None) -> str:
    console = Console(file=io.StringIO(), width=width)
    leaderboard.show(read_study(study), top=top, metric=metric, console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows(text: str) -> list[list[str]]:
    """The cells of the table's body."""
    body = text[text.index("───") :].splitlines()[1:]
    return [line.split() for line in body[: body.index(next(line for line in body if not line.strip()))]]


@pytest.fixture
def mixed():
    study = study_of()
    add(study, "RUNNING")
    add(study, "FAIL", reason="RuntimeError: [/tmp/x] cannot be read")
    add(study, "PRUNED", 0.95, epochs=1)
    add(study, "COMPLETE", 0.9)
    add(study, "PRUNED", 0.97, epochs=1)
    add(study, "COMPLETE", 0.931)
    add(study, "WAITING")
    return study


def test_complete_trials_come_first_and_the_best_of_them_on_top(mixed):
    assert [(row[0], row[-1]) for row in rows(shown(mixed))] == [
        ("5", "complete"),
        ("3", "complete"),
        ("4", "pruned"),
        ("2", "pruned"),
        ("1", "failed"),
        ("0", "running"),
    ]


def test_who_went_on_from_whom_is_said_and_apart_for_programs():
    study = study_of()
    add(study, "PRUNED", epochs=1)
    add(study, "COMPLETE", 0.9, promoted_from={"trial": 0, "step": 1})
    add(study, "COMPLETE", 0.8, warm_start_from="other/3")
    text = shown(study, width=100)
    for expected in ("complete (from 0)", "complete (other/3)", "pruned (then 1)"):
        assert expected in text
    assert "then 1: stopped after the first epochs" in text
    assert "from 0: is that training of trial 0" in " ".join(text.split())
    assert "a rung" not in text
    console = Console(file=io.StringIO(), width=100)
    assert not leaderboard.show(read_study(study), console=console, explains=False)  # once is enough
    assert not leaderboard.show(read_study(study_of(name="other")), console=console)
    listed = csv.DictReader(io.StringIO(render([read_study(study)], "csv", top=3)))
    assert [(row["state"], row["origin"]) for row in listed] == [
        ("complete", "from 0"), ("complete", "other/3"), ("pruned", "then 1")
    ]  # fmt: skip


def test_a_loss_is_best_where_it_is_lowest():
    study = study_of("minimize", "valid_loss")
    for value in (0.3, 0.1, 0.2):
        add(study, "COMPLETE", value)
    add(study, "PRUNED", 0.01)
    assert [row[0] for row in rows(shown(study))] == ["1", "2", "0", "3"]


def test_a_row_fits_80_columns_whole(mixed):
    text = shown(mixed)
    assert rows(text)[0] == ["5", "0.9310", "[6,6,6]", "12", "0.1235", "1,234,567", "2", "1,012", "complete"]
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_states_are_counted_and_failures_explained(mixed):
    add(mixed, "FAIL", reason="RuntimeError: [/tmp/x] cannot be read")
    add(mixed, "FAIL", reason="out of memory: 12 GB")
    lines = shown(mixed, width=120).splitlines()
    assert "2 complete, 2 pruned, 3 failed, 1 running" in lines
    assert "trials 1, 7 failed: RuntimeError: [/tmp/x] cannot be read" in lines
    assert "trial 8 failed: out of memory: 12 GB" in lines


def test_only_the_top_is_shown_but_all_are_counted(mixed):
    text = shown(mixed, top=2)
    assert text.startswith("study growth (2 of 6 trials)")
    assert [row[0] for row in rows(text)] == ["5", "3"]
    assert "2 complete, 2 pruned, 1 failed, 1 running" in text


def test_text_that_looks_like_markup_is_text():
    study = study_of(name="[/red]")
    study.add_trial(
        optuna.trial.create_trial(
            value=0.5, params={"name": "[/bold]"}, distributions={"name": CategoricalDistribution(["[/bold]"])}
        )
    )
    text = shown(study)
    assert "study [/red]" in text
    assert rows(text)[0][2] == "[/bold]"


def test_parameters_with_one_last_part_keep_their_paths():
    study = study_of()
    study.add_trial(
        optuna.trial.create_trial(
            value=0.5,
            params={"optimizer.lr": 0.1, "schedule.lr": 0.2},
            distributions={"optimizer.lr": FloatDistribution(0, 1), "schedule.lr": FloatDistribution(0, 1)},
        )
    )
    text = shown(study)
    assert "optimizer.lr" in text
    assert "schedule.lr" in text


def test_the_noise_of_the_validation_split_and_who_is_within_it():
    study = study_of()
    # With 1,000 images and 0.9 one standard deviation is sqrt(0.9 * 0.1 / 1000) = 0.0095; 1.96 of a difference are 0.0263.
    for value in (0.9, 0.88, 0.87):
        add(study, "COMPLETE", value)
    add(study, "PRUNED", 0.9, epochs=1)
    text = shown(study)
    assert [row[:3] for row in rows(text)[:2]] == [["0", "0.9000", "[6,6,6]"], ["1", "~", "0.8800"]]
    assert text.count("~ ") == 1
    sentence = " ".join(text.split())
    assert "One accuracy on 1,000 validation images is uncertain by 0.0095" in sentence
    assert "1 of the other 2 complete trials (~) cannot be told from the best, trial 0." in sentence
    assert "Of 2 equally good ones the best looks 0.0054 better than it is." in sentence


def test_one_trial_alone_is_compared_with_nothing():
    study = study_of()
    add(study, "COMPLETE", 0.9)
    text = " ".join(shown(study).split())
    assert "from the number of images alone)." in text
    assert "stands out" not in text


def test_by_a_metric_the_trials_have_another_order_and_a_column(mixed):
    text = shown(mixed, metric=Metric("valid_loss", is_larger_better=False, values={3: 0.25, 5: 0.5, 2: 0.125, 1: 0.75}))
    assert text.startswith("study growth by valid_loss, the smallest first ")
    assert [(row[0], row[-1]) for row in rows(text)] == [
        ("3", "complete"),
        ("5", "complete"),
        ("2", "pruned"),
        ("4", "pruned"),
        ("1", "failed"),
        ("0", "running"),
    ]
    assert rows(text)[0][:4] == ["3", "0.9000", "0.2500", "[6,6,6]"]
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_a_metric_that_is_shown_anyway_has_no_second_column(mixed):
    text = shown(mixed, metric=Metric("num_parameters", is_larger_better=False, values={3: 1_234_567, 5: 1_234_567}))
    assert rows(text)[0] == rows(shown(mixed))[1]


def test_a_best_that_stands_out():
    study = study_of()
    add(study, "COMPLETE", 0.9)
    add(study, "COMPLETE", 0.8)
    assert "the best stands out" in " ".join(shown(study).split())


@pytest.mark.parametrize(
    ("direction", "objective", "value"),
    [("minimize", "valid_loss", 0.3), ("maximize", "train_accuracy", 0.9)],
)
def test_no_noise_is_claimed_for_what_is_no_uncertain_accuracy(direction, objective, value):
    study = study_of(direction, objective)
    add(study, "COMPLETE", value)
    assert "uncertain" not in shown(study)


def test_a_study_of_another_application_and_several_objectives():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(optuna.trial.create_trial(values=[0.5, 7.0], params={}, distributions={}))
    assert rows(shown(study)) == [["0", "0.5000", "7.0000", "front"]]


def test_a_study_without_trials():
    assert shown(study_of()) == "study growth: no trial runs or has ended; 0 trials in the queue\n"


def test_a_study_whose_trials_were_all_interrupted():
    study = study_of()
    add(study, "WAITING")
    assert shown(study) == "study growth: no trial runs or has ended; 1 trial in the queue\n"


def test_compare_as_it_is_typed(command, tmp_path):
    from hydra_async_sweeper.study.storage import open_storage

    assert command("compare").err == (
        f"densenet-sweep: error: no study in {tmp_path}/outputs nor in tracking.uri=sqlite:///mlruns/mlflow.db; "
        "densenet-sweep sweep=quickstart makes one\n"
    )
    folder = tmp_path / "outputs" / "sweeps" / "mine"
    study = optuna.create_study(study_name="mine", storage=open_storage(None, folder), direction="maximize")
    add(study, "COMPLETE", 0.75)
    (folder / "study.yaml").write_text("study_name: mine\nstorage: null\n")
    typed = command("compare")
    assert (typed.exit_code, typed.err) == (0, "")
    assert "0.7500" in typed.out
    assert "0.7500" in command("compare", "mine").out
    unknown = command("compare", "min")
    assert (unknown.exit_code, unknown.out) == (1, "")
    assert unknown.err == "densenet-sweep: error: min: no such study; did you mean mine?; there are mine\n"
    assert "--top 0: a whole number of at least 1 is accepted" in command("compare", "--top", "0").err


def test_a_mean_over_folds_has_its_standard_error():
    study = study_of()
    add(study, "COMPLETE", 0.6, epochs=3, fold_values=[0.5, 0.6, 0.7])
    add(study, "PRUNED", 0.3, epochs=2, fold_values=[0.5, 0.3])
    text = shown(study)
    assert "folds" in text
    assert "epochs" not in text
    # 0.1 / sqrt(3); a pruned trial stands at the mean of its folds, as a complete one does.
    assert [row[:3] for row in rows(text)] == [["0", "0.6000", "0.0577"], ["1", "0.4000", "0.1000"]]
    entries = list(csv.DictReader(io.StringIO(render([read_study(study)], "csv", 10))))
    assert [float(entry["standard_error"]) for entry in entries] == pytest.approx([0.0577, 0.1], abs=1e-4)
