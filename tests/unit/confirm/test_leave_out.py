import io
from dataclasses import replace

import pytest
import yaml
from rich.console import Console

from densenet_sweep.confirm import finalists as files
from densenet_sweep.confirm import leave_out
from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.results.study import Study, Trial

BOTH = {"benign", "malignant"}
FINALISTS = Finalists(
    "lungs", "valid_auroc", 9, (Finalist(4, 0.9, {"lr": 0.1}, 100), Finalist(2, 0.8, {"lr": 0.2}, 50))
).without("site", ["A", "St. Mary's, B"])


def study(**values):
    """A confirmation whose runs have these values by option; None is still to come."""
    trials = [
        Trial(
            number,
            "waiting" if value is None else "complete",
            () if value is None else (value,),
            {"experiment": name},
            num_test=30,
        )
        for number, (name, value) in enumerate(values.items())
    ]
    return Study("lungs-without-each-site-of-9", ("test_auroc",), ("maximize",), tuple(trials), is_repeated=True)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"A": BOTH}, "--leave-out site: has 1 value; a column of between 2 and 100 is accepted"),
        ({str(index): BOTH for index in range(101)}, "--leave-out site: has 101 values; a column"),
        (
            {"A": BOTH, "B": {"benign"}},
            "--leave-out site: class malignant is only in A, so without it there is none to learn from",
        ),
        (
            {"A": BOTH, "B": BOTH, "C": {"benign"}},
            "--leave-out site: C has no picture of class malignant, which test_auroc needs",
        ),
    ],
)
def test_a_column_that_cannot_be_left_out_is_refused(found, message):
    with pytest.raises(ValueError, match=message):
        leave_out.check("site", found, "valid_auroc")


def test_an_accuracy_needs_no_class_of_each_value():
    leave_out.check("site", {"A": BOTH, "B": BOTH, "C": {"benign"}}, "valid_accuracy")


def test_the_table_has_each_value_and_the_mean():
    found = study(trial_4_without_0=0.9, trial_4_without_1=0.7, trial_2_without_0=0.6, trial_2_without_1=None)
    console = Console(file=io.StringIO(), width=120)
    leave_out.show(found, FINALISTS, console)
    text = console.file.getvalue()
    cells = [[cell for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells if row}
    assert rows["A"] == ["30", "0.9000", "0.6000"]
    assert rows["St. Mary's, B"] == ["30", "0.7000"]
    assert rows["mean"] == ["0.8000", "0.6000"]
    assert "1 run is still to come." in text
    assert "Trial 4: test AUROC 0.8000 on average over 2 values of site" in text
    assert "| A | 30 | 0.9000 | 0.6000 |" in leave_out.markdown(found, FINALISTS)
    kept = leave_out.as_object(found, FINALISTS)
    assert kept["means"] == pytest.approx({4: 0.8, 2: 0.6})
    assert kept["results"][1] == {"trial": 4, "left_out": "St. Mary's, B", "value": 0.7, "num_images": 30}


def test_the_runs_are_enqueued_for_the_best_and_named_by_the_value(tmp_path):
    files.write(tmp_path, FINALISTS, top=1, seeds=[1000], command="densenet-sweep confirm")
    assert files.read(tmp_path) == FINALISTS
    sweep = (tmp_path / "sweep" / "finalists.yaml").read_text()
    assert "n_trials: 2" in sweep
    described = files.described(tmp_path, {"experiment": "trial_4_without_1"}, 1000)
    assert described["name"] == "trial 4 without St. Mary's, B"
    assert described["tags"]["without.site"] == "St. Mary's, B"


def test_each_seed_draws_its_own_split(tmp_path):
    small = replace(FINALISTS, column="", values=(), test_fraction=0.2)
    files.write(tmp_path, small, top=1, seeds=[1000, 1001], command="densenet-sweep confirm")
    sweeper = yaml.safe_load((tmp_path / "sweep" / "finalists.yaml").read_text())["hydra"]["sweeper"]
    assert sweeper["enqueue"] == [{"experiment": "trial_4", "seed": seed, "data.split_seed": seed} for seed in (1000, 1001)]
    assert set(sweeper["params"]) == {"experiment", "seed", "data.split_seed"}
    assert files.read(tmp_path) == small
