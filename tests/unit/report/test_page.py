import base64
import gzip
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.confirm.statistics import Repetitions
from densenet_sweep.confirm.verdict import Result, Verdict
from densenet_sweep.drawing import interactive
from densenet_sweep.report import page as report
from densenet_sweep.report.mistakes import Shown
from densenet_sweep.report.page import Reported
from densenet_sweep.results import ranking
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.logged_metric import Metric

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is looked at, not its files of pictures: Matplotlib takes a second for each."""
    monkeypatch.setattr("densenet_sweep.drawing.png.draw", lambda _: b"")


class Checked(HTMLParser):
    """Keeps the open elements and the addresses of what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in ("meta", "link", "img", "path", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "circle"):
            assert self.open.pop() == tag


def checked(text: str) -> Checked:
    page = Checked()
    page.feed(text)
    assert page.open == []
    return page


def read_by_a_browser(text: str) -> dict[str, Any]:
    """Return the figures and tables of a page; like a browser's, this JSON has no NaN."""

    def refused(name: str) -> None:
        raise AssertionError(name)

    packed = re.search(r'id="packed-figures">([^<]*)<', text)
    assert packed is not None
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])), parse_constant=refused)
    return found


def test_one_study(swept):
    tags = {"git.commit": "0123456789abcdef", "git.dirty": "true", "device.name": "H100", "torch.version": "2.12"}
    text = report.page([Reported(read_study(swept(40)), "densenet-sweep sweep=mine", tags)])
    checked(text)
    for line in (
        "<title>Sweep made up</title>",
        "densenet-sweep sweep=mine",
        "0123456789 with changes",
        "H100, PyTorch 2.12",
        "26 complete, 12 pruned, 2 failed",
        "Importance (PED-ANOVA, 26 complete trials)",
        "30 more trials",
        "the better half is blue. Drag along an axis to choose a range.",
        "Validation accuracy after epoch 1 over growth rate and depth",
        "Validation accuracy at the end of training over growth rate and depth",
    ):
        assert line in text
    assert text.count("<figure") == 12
    wide = re.findall(r'<figure data-name="(\w+)" class="wide"', text)
    assert wide[:2] == ["expected_best_early", "parallel_early"]  # the others stand in pairs, the last one would be alone
    assert "There is no time line of the workers: an earlier version ran these trials" in text
    assert "<dt>Sampler</dt><dd>not recorded</dd>" in text
    assert 'class="copy"' in text


def test_what_it_got_wrong_is_a_section(swept):
    still = (ROOT / "docs" / "shirt.png").read_bytes()
    text = report.page([Reported(read_study(swept(8)), wrong=[Shown("What trial <3> got wrong", still)])])
    checked(text)
    assert "<h3>What trial &lt;3&gt; got wrong</h3>" in text
    assert base64.b64encode(still).decode() in text


def test_the_classes_of_the_best_trial_are_a_table(swept):
    study = read_study(swept(8))
    classes = ({"class": "<cats>", "num_images": 30, "recall": 0.5}, {"class": "dogs", "num_images": 3, "precision": 0.25})
    best = next(row.number for row in ranking.rows(study) if row.is_complete)
    trials = tuple(replace(trial, classes=classes) if trial.number == best else trial for trial in study.trials)
    text = report.page([Reported(replace(study, trials=trials))])
    checked(text)
    assert f"<h3>Trial {best}: classes of the validation split</h3>" in text
    assert "<td>&lt;cats&gt;</td><td>30</td><td>0.5000</td><td></td>" in text
    assert "classes of the" not in report.page([Reported(study)])


def test_it_loads_nothing_and_holds_plotly_once(swept):
    text = report.page([Reported(read_study(swept(40, name="one"))), Reported(read_study(swept(30, name="two")))])
    assert all(address.startswith(("data:", "#study-")) for address in checked(text).addresses)
    assert (
        "//"
        not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
        .replace("data:image/png;base64,", "")
        .split("<main>")[0]
    )
    assert text.count('id="packed-plotly"') == 1
    assert len(text) < 5_000_000
    assert "<h1>2 sweeps compared</h1>" in text
    assert '<a href="#study-1">two</a>' in text


def test_what_people_name_is_no_markup():
    study = optuna.create_study(study_name="<script>alert(1)</script>", direction="maximize")
    distribution = optuna.distributions.CategoricalDistribution(["</script><b>", "&"])
    for index in range(6):
        study.add_trial(
            optuna.trial.create_trial(
                value=index / 10, params={"<i>": distribution.choices[index % 2]}, distributions={"<i>": distribution}
            )
        )
    text = report.page([Reported(read_study(study), "it '<u>'", {"device.name": "<s>"})])
    checked(text)
    for tag in ("<script>alert", "</script><b>", "<i>", "<u>", "<s>"):
        assert tag not in text


@pytest.mark.parametrize("final", [math.inf, None])
def test_values_that_are_not_finite_leave_a_page_that_a_browser_reads(final):
    study = optuna.create_study(study_name="diverged", directions=["minimize", "minimize"] if final else ["minimize"])
    study.set_user_attr("config", {"objective": ["valid_loss", "valid_error"] if final else "valid_loss"})
    distribution = optuna.distributions.FloatDistribution(0.01, 1, log=True)
    for index in range(8):
        loss = math.inf if index % 3 == 0 else 1 / index
        study.add_trial(
            optuna.trial.create_trial(
                values=[loss, final] if final else [loss],
                params={"optimizer.lr": 0.1 * (index + 1)},
                distributions={"optimizer.lr": distribution},
                intermediate_values={} if final else {1: math.nan if index % 2 else 2.0, 2: loss},
            )
        )
    text = report.page([Reported(read_study(study)), Reported(read_study(study))])
    checked(text)
    found = read_by_a_browser(text)
    diverged = next(row for row in found["tables"]["study-0"]["rows"] if row["id"] == 3)
    assert (diverged["values"][1], diverged["texts"][1]) == (None, "inf")
    assert "figure-0-optimization_history-0" in found["figures"]


def test_a_picture_that_a_browser_could_not_draw_costs_a_warning_and_not_the_report(swept, monkeypatch, caplog):
    figures = interactive.figures
    monkeypatch.setattr(interactive, "figures", lambda it: 1 / 0 if it.name == "contour" else figures(it))
    text = report.page([Reported(read_study(swept(40)))])
    assert text.count("<figure") == 11
    assert caplog.messages == ["no picture contour in the report (ZeroDivisionError: division by zero)"]


def test_a_password_that_was_typed_is_not_passed_on():
    study = optuna.create_study(study_name="it")
    assert "hunter2" not in report.page(
        [Reported(read_study(study), "densenet-sweep storage.url=postgresql://me:hunter2@host/db")]
    )


def test_a_study_put_together_from_its_runs_says_what_it_lacks():
    study = optuna.create_study(study_name="it")
    read = replace(read_study(study), note="Read from the runs in MLflow, without rank correlations: it has gone.")
    assert "without rank correlations: it has gone" in report.page([Reported(read)])


def test_a_metric_that_was_asked_for_ranks_the_trials_and_has_a_column(swept):
    study = swept(12)
    metric = Metric("valid_loss", is_larger_better=False, values={trial.number: trial.number / 10 for trial in study.trials})
    text = report.page([Reported(read_study(study), metric=metric)])
    assert "Ranked by valid_loss, the smallest first." in text
    assert re.search(r"<th[^>]*>valid_loss</th>", text)
    assert f"valid_accuracy, trial {study.best_trial.number}</span>" in text


def test_a_study_without_trials():
    text = report.page([Reported(read_study(optuna.create_study(study_name="empty")))])
    checked(text)
    assert "no trial has ended" in text
    assert "<figure" not in text


def test_equal_studies_make_equal_pages(swept):
    def page():
        return re.sub(r"Made [^<]+ by", "", re.sub(r"<dt>When.*?</dd>", "", report.page([Reported(read_study(swept(12)))])))

    assert page() == page()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("missing/it.html", r"--html .*missing/it\.html: there is no folder .*missing; a file in a folder that can be written"),
        ("", r"--html .*: is a folder; a file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused(tmp_path, file, message):
    with pytest.raises(ValueError, match=message):
        report.check(tmp_path / file)


def test_a_disk_that_is_full_leaves_the_last_report(tmp_path, monkeypatch):
    path = tmp_path / "it.html"
    study = optuna.create_study(study_name="it")
    report.write(path, [Reported(read_study(study))])
    before = path.read_text()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(ValueError, match=r"it\.html: cannot be written \(No space left on device\)"):
        report.write(path, [Reported(read_study(study))])
    assert path.read_text() == before


def test_the_large_number_is_the_confirmed_one_with_its_interval(swept):
    study = read_study(swept(8))
    finalist = Finalist(5, 0.9, {"optimizer.lr": 0.1}, 1000)
    runs = Repetitions(np.array([0.88, 0.90, 0.92]), 359)
    found = Verdict(Finalists("made up", "valid_accuracy", 8, (finalist,)), (Result(finalist, runs, {}),), (), (0,), 0, 0, {})
    text = report.page([Reported(study, verdicts=[found])])
    checked(text)
    assert "<strong>0.9000 ± 0.0497</strong>" in text  # t of 2 degrees of freedom, 4.303, times 0.02 / sqrt(3)
    assert "test accuracy of the champion, trial 5: mean of 3 seeds on 359 test images" in text
    assert "<code>optimizer.lr=0.1</code>" in text


def test_the_large_number_of_a_sweep_has_its_standard_error():
    study = optuna.create_study(study_name="it", direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    study.add_trial(optuna.trial.create_trial(value=0.9, user_attrs={"num_valid": 100}))
    assert "<strong>0.9000 ± 0.0300</strong>" in report.page([Reported(read_study(study))])


def test_several_studies_have_their_curves_and_the_verdict_first(swept):
    text = report.page([Reported(read_study(swept(20, name="one"))), Reported(read_study(swept(12, name="two")))])
    checked(text)
    before = text[: text.index('id="study-0"')]
    assert "Best validation accuracy so far of 2 sweeps" in before


def test_a_page_that_is_served_has_no_files_of_pictures_and_asks_for_newer_versions(swept, monkeypatch):
    monkeypatch.setattr("densenet_sweep.drawing.png.draw", None)
    study = read_study(swept(20))
    text = report.page([Reported(study), Reported(replace(study, name="two"))], version="v1")
    checked(text)
    assert '<meta name="version" content="v1">' in text
    assert "<img" not in text
    assert "function follow()" in text
    empty = report.page([Reported(replace(study, trials=()))], version="v0")
    assert 'class="trials-here"' in empty
    assert "function follow()" not in report.page([Reported(replace(study, trials=()))])
