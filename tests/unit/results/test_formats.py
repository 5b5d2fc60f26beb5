import csv
import io
import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from densenet_sweep.results.formats import render
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.study import Study

LR = {"optimizer.lr": FloatDistribution(0, 1)}


@pytest.fixture
def studies() -> list[Study]:
    one = optuna.create_study(study_name="one", direction="maximize")
    one.set_user_attr("config", {"objective": "valid_accuracy"})
    for value in (0.25, 0.123456789012345):
        attributes = {"num_parameters": 12, "seconds": 1.5}
        one.add_trial(
            create_trial(
                value=value,
                params={"optimizer.lr": 0.1},
                distributions=LR,
                user_attrs=attributes,
                intermediate_values={3: value},
            )
        )
    one.add_trial(create_trial(state=TrialState.FAIL, params={"optimizer.lr": 0.1}, distributions=LR))
    two = optuna.create_study(study_name="two", directions=["maximize", "minimize"])
    two.add_trial(
        create_trial(values=[0.5, 7.0], params={"name": "a|b"}, distributions={"name": CategoricalDistribution(["a|b"])})
    )
    return [read_study(one), read_study(two)]


def test_csv_holds_all_studies_with_their_digits(studies):
    rows = list(csv.DictReader(io.StringIO(render(studies, "csv", top=10))))
    assert [(row["study"], row["trial"], row["state"]) for row in rows] == [
        ("one", "0", "complete"), ("one", "1", "complete"), ("one", "2", "failed"), ("two", "0", "front")
    ]  # fmt: skip
    assert float(rows[1]["valid_accuracy"]) == 0.123456789012345
    assert (rows[0]["optimizer.lr"], rows[0]["num_parameters"], rows[0]["epochs"], rows[0]["seconds"]) == (
        "0.1",
        "12",
        "3",
        "1.5",
    )
    assert (rows[3]["value 0"], rows[3]["value 1"], rows[3]["valid_accuracy"]) == ("0.5", "7.0", "")


def test_json_tells_what_they_say_together(studies):
    one, two = json.loads(render(studies, "json", top=1))
    assert one["directions"] == ["maximize"]
    assert [trial["trial"] for trial in one["trials"]] == [0]
    assert one["importance"] == {}
    assert two["trials"][0]["name"] == "a|b"


def test_markdown_is_a_table(studies):
    lines = render(studies, "md", top=10).splitlines()
    assert lines[0].startswith("| study | trial | valid_accuracy | value 0 | value 1 | name | optimizer.lr |")
    assert {line.replace("\\|", "").count("|") for line in lines} == {lines[0].count("|")}
    assert "a\\|b" in lines[-1]
    assert "0.123457" in lines[3]


def test_an_unknown_format_is_named(command):
    assert "--format xls: one of table, csv, json, md is accepted" in command("compare", "--format", "xls").err
