"""The time line of the workers."""

import datetime

import pytest

from densenet_sweep.drawing.scene import Curves, Line, Picture, Points
from densenet_sweep.report.pictures import subject
from densenet_sweep.report.pictures.timeline import timeline, why_missing
from densenet_sweep.results.study import Attempt, Study, Trial

NOON = datetime.datetime(2026, 11, 28, 12)


def attempt(worker: int, start: float, end: float, *, died: bool = False, host: str = "here") -> Attempt:
    """A worker's attempt, in minutes."""
    begin, stop = (NOON + datetime.timedelta(minutes=it) for it in (start, end))
    return Attempt(host, worker, 1.0, str(worker), begin, stop, died)


def drawn(*trials: Trial) -> Picture:
    picture = timeline(subject.read(Study("it", ("valid_accuracy",), ("maximize",), trials)))
    assert picture is not None
    return picture


def bars(picture: Picture) -> dict[str, list[tuple[float, float, float]]]:
    """Return row, start and end of each bar by its name, in whole units."""
    found = [mark for mark in picture.panels[0].marks if isinstance(mark, Curves)]
    return {mark.name: [(y[0], round(x[0]), round(x[-1])) for x, y in mark.paths] for mark in found}


def points(picture: Picture) -> dict[str, list[tuple[float, float]]]:
    found = [mark for mark in picture.panels[0].marks if isinstance(mark, Points)]
    return {mark.name: [(round(x), y) for x, y in zip(mark.x, mark.y, strict=True)] for mark in found}


WHOLE = (
    Trial(0, "pruned", (0.4,), start=NOON, attempts=(attempt(0, 0, 10),)),
    Trial(1, "complete", (0.5,), start=NOON, attempts=(attempt(1, 2, 6), attempt(1, 8, 9, died=True), attempt(0, 10, 20))),
    Trial(2, "complete", (0.6,), start=NOON, promoted_from=0, attempts=(attempt(1, 12, 30),)),
    Trial(3, "running", start=NOON, attempts=(attempt(0, 21, 29),)),
)


def test_each_worker_has_a_row_with_bars_by_state():
    picture = drawn(*WHOLE)
    assert [text for _, text in picture.panels[0].y.ticks] == ["worker 2, GPU 1", "worker 1, GPU 0"]
    assert picture.panels[0].x.label == "minutes since the first start"
    assert bars(picture) == {
        "pruned": [(1, 0, 10)],
        "complete": [(1, 10, 20), (0, 2, 6), (0, 8, 9), (0, 12, 30)],
        "running": [(1, 21, 29)],
    }
    assert picture.title == "Trials by worker and time: 2 workers"
    assert "Workers were busy 89 % of the time from their first start to their last end" in picture.note  # 51 of 29 + 28


def test_promotions_interruptions_and_deaths_are_marked():
    assert points(drawn(*WHOLE)) == {
        "continues a promoted trial": [(12, 0)],
        "interrupted, continued later": [(6, 0)],
        "its worker died, or its task exited": [(9, 0)],
    }


def test_a_bar_says_who_ran_it_when():
    [complete] = [mark for mark in drawn(*WHOLE).panels[0].marks if isinstance(mark, Curves) and mark.name == "complete"]
    assert complete.ids == [1, 1, 1, 2]
    assert complete.about[2].splitlines()[-2:] == [
        "attempt 2 of 3: 11-28 12:08:00 to 11-28 12:09:00", "here, process 1, GPU 1"
    ]  # fmt: skip
    assert "continues trial 0" in complete.about[3]


def test_a_pause_without_any_worker_is_cut_out():
    picture = drawn(
        Trial(0, "complete", (0.4,), start=NOON, attempts=(attempt(0, 0, 10),)),
        Trial(1, "complete", (0.4,), start=NOON, attempts=(attempt(0, 1210, 1220),)),
    )
    panel = picture.panels[0]
    assert picture.note.endswith("Cut out (dashed): 1 pause without any worker, 20.0 hours in all.")
    assert bars(picture)["complete"] == [(0, 0, 10), (0, 10, 20)]
    assert panel.x.limits == pytest.approx((-0.204, 20.604))
    [cut] = [mark for mark in panel.marks if isinstance(mark, Line)]
    assert cut.x == pytest.approx([10.2, 10.2])
    assert "The worker was busy 98 % of the time from its first start to its last end" in picture.note


def test_of_many_workers_the_busiest_are_shown():
    picture = drawn(*[Trial(n, "complete", (0.4,), start=NOON, attempts=(attempt(n, 0, n + 1),)) for n in range(40)])
    assert picture.title == "Trials by worker and time: the 30 busiest of 40 workers"
    assert len(picture.panels[0].y.ticks or ()) == 30


def test_hosts_are_named_where_there_are_several():
    trials = [Trial(n, "complete", (0.4,), start=NOON, attempts=(attempt(n, n, 9, host=f"h{n}"),)) for n in range(2)]
    assert [text for _, text in drawn(*trials).panels[0].y.ticks] == ["h1 2, GPU 1", "h0 1, GPU 0"]


def test_what_an_earlier_version_ran_is_left_out_with_a_sentence():
    older = Trial(1, "complete", (0.5,), start=NOON)
    assert drawn(WHOLE[0], older).note.endswith("1 trial of an earlier version without this record is left out.")
    study = Study("it", ("valid_accuracy",), ("maximize",), (older,))
    assert timeline(subject.read(study)) is None
    assert why_missing(study).startswith("There is no time line of the workers:")
    assert why_missing(Study("it", ("valid_accuracy",), ("maximize",), ())) == ""
