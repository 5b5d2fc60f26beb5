"""A searched parameter that is called like one of our own columns: both are shown, under different names."""

import csv
import io
import json

import pytest
from rich.console import Console

from densenet_sweep.python_api.study import Study as Loaded
from densenet_sweep.report import table
from densenet_sweep.results import leaderboard
from densenet_sweep.results.formats import render
from densenet_sweep.results.formatting import beside, headings
from densenet_sweep.results.study import Range, Study, Trial

OURS = (
    "study",
    "trial",
    "valid_accuracy",
    "num_parameters",
    "epochs",
    "seconds",
    "state",
    "origin",
    "is_tied",
    "number",
    "reason",
)


@pytest.fixture
def study() -> Study:
    """A study that searched a parameter of the name of each column, and two whose last parts are those of columns."""
    names = [*OURS, "architecture.weights", "optimizer.lr"]
    params = {name: f"searched {name}" for name in names}
    ranges = {name: Range(choices=(value,)) for name, value in params.items()}
    return Study(
        "it", ("valid_accuracy",), ("maximize",), (Trial(0, "complete", (0.5,), params, ranges, {3: 0.5}, seconds=1.5),)
    )


def test_no_two_headings_are_alike():
    assert headings(["epochs", "a.weights", "optimizer.lr"], ["weights", "epochs", "seconds"]) == (
        ["epochs", "a.weights", "lr"],
        ["weights", "trial.epochs", "seconds"],
    )
    assert beside("epochs", ["epochs", "trial.epochs"]) == "trial.trial.epochs"


def test_every_format_holds_both(study):
    (row,) = csv.DictReader(io.StringIO(render([study], "csv", top=3)))
    ((entry,),) = (it["trials"] for it in json.loads(render([study], "json", top=3)))
    head, _, cells = (
        [it.strip() for it in line.strip("| ").split(" | ")] for line in render([study], "md", top=3).splitlines()
    )
    for shown in (row, entry, dict(zip(head, cells, strict=True))):
        assert {name: shown[name] for name in study.parameters} == study.trials[0].params
        assert (str(shown["trial.epochs"]), str(shown["trial.seconds"]), shown["trial.state"]) == ("3", "1.5", "complete")
        assert (shown["trial.study"], float(shown["trial.valid_accuracy"])) == ("it", 0.5)


def test_several_studies_share_their_columns(study):
    other = Study("other", ("valid_accuracy",), ("maximize",), (Trial(0, "complete", (0.5,), {}, {}, {7: 0.5}),))
    first, second = csv.DictReader(io.StringIO(render([study, other], "csv", top=3)))
    assert (first["epochs"], first["trial.epochs"], second["epochs"], second["trial.epochs"]) == (
        "searched epochs",
        "3",
        "",
        "7",
    )


def test_a_data_frame_holds_both(study):
    frame = Loaded(study, None, ()).dataframe()
    assert {name: frame[name].item() for name in study.parameters} == study.trials[0].params
    assert (frame.index.tolist(), frame.index.name, frame["trial.seconds"].item()) == ([0], "trial.number", 1.5)


def test_the_tables_for_people_have_different_heads(study, capsys):
    leaderboard.show(study, console=Console(width=1000))
    (heads,) = (line.split() for line in capsys.readouterr().out.splitlines() if "trial.epochs" in line)
    assert len(set(heads)) == len(heads)
    labels = [column["label"] for column in table.data(study, None, None, 3)["columns"]]
    assert len(set(labels)) == len(labels)
    assert {"architecture.weights", "weights", "lr", "epochs", "trial.epochs"} <= set(labels)
