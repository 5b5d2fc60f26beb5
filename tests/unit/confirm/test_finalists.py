"""Thresholds that a confirmation carries from its sweep."""

import json

from densenet_sweep.confirm import finalists
from densenet_sweep.confirm.finalists import CHAMPION, VERDICT, Finalist, Finalists
from densenet_sweep.run.carried import Carried

CHOSEN = Finalist(3, 0.9, {}, 100, [0.7, 0.3])
NONE = Finalist(5, 0.8, {}, 100)
OF_STUDY = Finalists("scans", "valid_auroc", 8, (CHOSEN, NONE))


def carried(folder, of_study=OF_STUDY, option="trial_3"):
    finalists.write(folder, of_study, top=2, seeds=[1000], command="")
    return finalists.thresholds([folder.parent, folder], {"experiment": option})


def test_thresholds_are_those_of_the_trial_that_is_repeated(tmp_path):
    assert carried(tmp_path / "c") == Carried((0.7, 0.3), "the validation images of trial 3 of study scans")
    assert carried(tmp_path / "c", option=CHAMPION) is None  # not named yet
    (tmp_path / "c" / VERDICT).write_text(json.dumps({"champion": 3}))
    assert carried(tmp_path / "c", option=CHAMPION).values == (0.7, 0.3)
    assert carried(tmp_path / "c", option="of_my_own") is None
    assert finalists.thresholds([tmp_path], {}) is None


def test_the_reason_is_given_where_there_are_none(tmp_path):
    assert carried(tmp_path / "c", option="trial_5") == Carried(None, "trial 5 of study scans has left none")
    (tmp_path / "c" / finalists.FINALISTS).unlink()
    reason = "trial 3 of study scans chose them on pictures that may be among those that are tested here"
    new_splits = Finalists("scans", "valid_auroc", 8, (CHOSEN,), test_fraction=0.2)
    assert carried(tmp_path / "d", new_splits) == Carried(None, reason)
    without = OF_STUDY.without("site", ["a", "b"])
    assert carried(tmp_path / "e", without, option=without.option(CHOSEN, 1)) == Carried(None, reason)


def test_a_line_names_them_or_says_why_there_are_none():
    pair, labels = Carried((0.7, 0.3), "the validation images of trial 3"), Carried((0.1,) * 7, "those of trial 4")
    assert pair.line(["ok", "ill"], is_multi_label=False) == "thresholds chosen on the validation images of trial 3: ill 0.3000"
    assert labels.line(list("abcdefg"), is_multi_label=True).endswith(
        "a 0.1000, b 0.1000, c 0.1000, d 0.1000, e 0.1000 and 2 more"
    )
    assert Carried(None, "why").line(["a", "b"], is_multi_label=True) == "no thresholds, and labels are reported at 0.5: why"
    assert Carried(None, "why").line(["a", "b"], is_multi_label=False) == "no thresholds: why"
    assert Carried(None, "why").line(["a", "b", "c"], is_multi_label=False) == ""
