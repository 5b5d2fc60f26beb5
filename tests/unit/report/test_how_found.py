"""What the report says about how a study was found."""

import datetime
from dataclasses import replace

import pytest

from densenet_sweep.confirm.of_study import Reading
from densenet_sweep.report import how_found, paper
from densenet_sweep.report.reported import Reported
from densenet_sweep.results.study import Attempt, Range, Search, Study, Trial

NOON = datetime.datetime(2026, 11, 28, 12)
SAMPLER = {"_target_": "optuna.samplers.TPESampler", "seed": 0, "n_startup_trials": 10}
PRUNER = {"_target_": "p.PatientPruner", "wrapped_pruner": {"_target_": "p.MedianPruner"}, "patience": 1}
SEARCH = Search(0, {"sampler": SAMPLER, "pruner": PRUNER, "n_trials": 4}, {"optimizer.lr": 0.1}, "5.0.0")


def trial(number: int, lr: float, value: float | None, **changes) -> Trial:
    trained = Trial(
        number, "failed" if value is None else "complete", () if value is None else (value,), {"optimizer.lr": lr},
        {"optimizer.lr": Range(0.01, 1, is_log=True)}, num_valid=1000, epochs=3, seconds=1800.0,
        start=NOON + datetime.timedelta(hours=number / 2), end=NOON + datetime.timedelta(hours=(number + 1) / 2),
        attempts=(Attempt("host", number // 2, 1.0, None, NOON, NOON),),
    )  # fmt: skip
    return replace(trained, **changes)


STUDY = Study(
    "it", ("valid_accuracy",), ("maximize",),
    (trial(0, 0.1, 0.80, is_given=True), trial(1, 0.2, 0.90), trial(2, 0.3, 0.85), trial(3, 0.4, None)),
    config={"seed": 7, "epochs": 3, "data._target_": "d.digits", "data.split_seed": 5, "data.valid_fraction": 0.2},
    images={'{"num_train": null}': "f5aa"},
    space={"optimizer.lr": Range(0.01, 1, is_log=True), "blocks": Range(choices=("[2]", "[4]")),
           "depth": Range(16, 40, 6, is_whole=True)},
    conditions={"depth": {"blocks": ["[2]"]}},
    searches=(SEARCH,),
)  # fmt: skip


def facts(study: Study, **known) -> dict[str, str]:
    return dict(how_found.describe(Reported(study, **known)).facts)


def test_what_is_known_is_said():
    tags = {"device.name": "H100", "device.type": "cuda", "git.commit": "0123456789abc", "torch.version": "2.12"}
    found = facts(STUDY, command="densenet-sweep sweep=mine", tags=tags)
    assert found == {
        "Command": "densenet-sweep sweep=mine",
        "Objective": "valid_accuracy, maximized (the value after the last epoch)",
        "Selection": "the complete trial with the best value on a validation split of 1,000 images (data.valid_fraction=0.2, "
        "data.split_seed=5); a search reads no test image",
        "Sampler": "TPESampler(seed=0, n_startup_trials=10)",
        "Pruner": "PatientPruner(wrapped_pruner=MedianPruner(), patience=1)",
        "Budget": "4 trials that end complete or pruned; a whole training takes 3 epochs",
        "Trials": "4 trials: 3 complete, 0 pruned, 1 failed",
        "Default configuration": "lr=0.1 is trial 0, with 0.8000; the best, trial 1, is better by 0.1000, beyond the noise of "
        "the images; given by the user and tried first: trial 0",
        "Seeds": "seed=7 in each training; data.split_seed=5; the sampler's own is among its arguments",
        "Hardware": "H100 (the last trial's); 2 workers on 1 host",
        "Cost": "2.0 hours of training; 2.0 hours from the first start to the last end",
        "Software": "commit 0123456789, PyTorch 2.12, Optuna 5.0.0",
        "Data": "digits; digest of the images: f5aa",
        "Test set": "no run of a confirmation has read it; "
        "readings by final, rerun and evaluate are not recorded with the study",
    }


def test_the_budget_names_the_rule_that_may_end_a_sweep_earlier():
    options = {**SEARCH.options, "stop_when": {"gain": 0.002, "trials": 10}}
    assert facts(replace(STUDY, searches=(replace(SEARCH, options=options),)))["Budget"] == (
        "4 trials that end complete or pruned, fewer where the next 10 trials promised a gain below 0.002; "
        "a whole training takes 3 epochs"
    )


def test_what_an_older_study_lacks_is_said_and_not_guessed():
    older = replace(
        STUDY, config={}, images={}, searches=(), trials=tuple(replace(it, attempts=(), seconds=None) for it in STUDY.trials)
    )
    found = facts(older)
    for name in ("Command", "Sampler", "Pruner", "Budget", "Default configuration"):
        assert found[name] == "not recorded"
    assert found["Hardware"] == "not recorded; workers: not recorded"
    assert found["Software"] == "commit not recorded, PyTorch not recorded, Optuna not recorded"
    assert found["Seeds"] == "trainings: not recorded"
    assert found["Data"] == "not recorded; digest of the images: not recorded"
    assert found["Cost"].endswith("the time of 4 trials is not recorded")


def test_a_sampler_that_changed_and_a_budget_that_grew_are_said():
    other = replace(
        SEARCH, since_trial=3, options={**SEARCH.options, "sampler": {"_target_": "o.RandomSampler"}, "n_trials": 9}
    )
    found = facts(replace(STUDY, searches=(replace(SEARCH, since_trial=1), other)))
    assert found["Sampler"] == (
        "not recorded for the first 1 trial; from trial 1 on TPESampler(seed=0, n_startup_trials=10); "
        "from trial 3 on RandomSampler()"
    )
    assert found["Pruner"].count("from trial") == 1
    assert found["Budget"].startswith("9 trials that end complete or pruned (first 4, then 9)")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"defaults": {"optimizer.lr": 0.2}}, "lr=0.2 is trial 1, with 0.9000: the search found nothing better"),
        ({"defaults": {"optimizer.lr": 0.4}}, "lr=0.4 is trial 3, which was failed"),
        ({"defaults": {"optimizer.lr": 0.5}}, "lr=0.5 was not among the trials, so the best has no such rival"),
        ({"defaults": {"optimizer.lr": 2}}, "lr=2 was not among the trials, as optimizer.lr lies outside the space, so"),
        ({"defaults": {"optimizer.lr": 0.3}}, "lr=0.3 is trial 2, with 0.8500; the best, trial 1, is better by 0.0500, beyond"),
    ],
)
def test_the_default_configuration_is_the_rival(changes, expected):
    found = facts(replace(STUDY, searches=(replace(SEARCH, **changes),)))
    assert found["Default configuration"].startswith(expected)


def test_the_tables():
    reading = Reading("it-confirmed", 2, "trial 1, seed 1000", "test_accuracy", 0.89, 500, NOON, 3600.0, "abc")
    study = replace(STUDY, trials=(*STUDY.trials[:3], trial(3, 0.4, 0.70)))
    described = how_found.describe(Reported(study, readings=[reading]))
    space, expected, readings = described.tables
    assert space.headings == ["parameter", "values", "scale", "searched when"]
    assert space.rows == [
        ["optimizer.lr", "0.01 to 1", "log", ""],
        ["blocks", "[2], [4]", "choice", ""],
        ["depth", "16 to 40 in steps of 6, whole numbers", "linear", "blocks is [2]"],
    ]
    assert expected.rows == [
        ["1", "0.8125", "0.7000 to 0.9000"],
        ["2", "0.8667", "0.7000 to 0.9000"],
        ["3", "0.8875", "0.8000 to 0.9000"],
        ["4", "0.9000", "0.8000 to 0.9000"],
    ]
    assert readings.rows == [
        ["2026-11-28 12:00", "it-confirmed/2", "trial 1, seed 1000", "500", "test_accuracy", "0.8900", "abc"]
    ]  # fmt: skip
    facts = dict(described.facts)
    assert facts["Test set"].startswith("read by 1 run of confirmations, once each, after the last epoch (see the table)")
    assert facts["Cost"].endswith("its confirmation: 60 minutes of training")


def test_as_text_for_a_paper():
    described = how_found.describe(Reported(replace(STUDY, name="50%_|x|")))
    markdown, latex = paper.markdown(described), paper.latex(described)
    assert markdown.startswith("### How this was found: 50%_\\|x\\|\n")
    assert "| optimizer.lr | 0.01 to 1 | log |  |" in markdown
    assert "- **Pruner:** PatientPruner(wrapped_pruner=MedianPruner(), patience=1)" in markdown
    assert latex.startswith(r"\paragraph{How this was found: 50\%\_\textbar{}x\textbar{}}")
    assert r"\item[Seeds] seed=7 in each training; data.split\_seed=5;" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert r"  optimizer.lr & 0.01 to 1 & log &  \\" in latex


def test_the_reference_is_that_of_the_citation_file():
    assert paper.bibtex().startswith("@software{densenet_sweep,\n  author = {{densenet\\_sweep developers}},")
    described = {
        "title": "a&b", "authors": [{"family-names": "Li", "given-names": "Wei"}, {"name": "X"}], "date-released": "2026-01-02"
    }  # fmt: skip
    assert paper.entry(described) == ("@software{a_b,\n  author = {Li, Wei and {X}},\n  title = {a\\&b},\n  year = {2026},\n}")
