import json
import math

import plotly.graph_objects as go
import pytest

from densenet_sweep.drawing import interactive, theme
from densenet_sweep.drawing.scene import Axis, Band, Bars, Curves, Line, Panel, Parallel, Picture, Points, Surface

NAN = float("nan")
MARKS = (
    Surface([1, 10], [1, 2], [[0.1, NAN], [0.3, 0.4]], "accuracy"),
    Curves([([1, 2], [0.1, 0.2]), ([1, 2, 3], [0.3, 0.4, 0.5])], theme.BLUE, "complete", about=["first", "second"]),
    Line([1, 2], [3, 4], theme.GREEN, "best", is_step=True, is_dashed=True),
    Band([1, 2], [0.1, 0.2], [0.3, 0.4], theme.GREEN, "middle"),
    *[
        Points([1], [2], theme.RED, "it", symbol, about=["<b>\nx"])
        for symbol in ("circle", "ring", "cross", "diamond", "down", "up")
    ],
)


def figure(x: Axis, *marks) -> dict:
    return interactive.figures(Picture("it", "", "", (Panel(x, Axis("y", limits=(0.8, 0.9)), marks or MARKS, title="a < b"),)))[
        0
    ]


@pytest.mark.parametrize(
    "axis",
    [
        Axis("x"),
        Axis("x", is_log=True, limits=(0.01, 1)),
        Axis("x", is_log=True, limits=(1e-6, 1), is_short=True),
        Axis("x", ticks=((0.0, "[6,6,6]"), (1.0, "<b>"))),
        Axis("x", limits=(0, 10), is_whole=True),
        Axis("x", limits=(0, 1e6), is_short=True),
    ],
    ids=str,
)
def test_plotly_takes_every_mark_and_axis(axis):
    drawn = figure(axis)
    go.Figure(drawn)  # refuses a property that does not exist, and a value that it cannot have
    assert "NaN" not in json.dumps(drawn)
    bars = figure(axis, Bars([0.7, 0.3], ["0.70", "0.30"], theme.BLUE))
    assert go.Figure(bars).layout.yaxis.autorange == "reversed"


def test_a_log_axis_is_given_in_powers_and_says_numbers():
    axis = figure(Axis("lr", is_log=True, limits=(0.01, 1)))["layout"]["xaxis"]
    assert axis["type"] == "log"
    assert axis["range"] == pytest.approx([-2, 0], abs=1e-6)
    assert axis["ticktext"] == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
    wide = figure(Axis("decay", is_log=True, limits=(1e-6, 0.01)))["layout"]["xaxis"]
    assert wide["ticktext"] == ["1e-06", "1e-05", "0.0001", "0.001", "0.01"]


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize("limits", [(0.86420975, 0.94206451), (0.12345649, 7.6543214), (1234567.4, 7654321.6)])
def test_marks_at_the_edges_of_an_axis_are_inside_of_it(limits, is_log):
    drawn = figure(Axis("x", is_log=is_log, limits=limits), Points(list(limits), [0.8, 0.9], theme.RED, "it"))
    low, high = drawn["layout"]["xaxis"]["range"]
    places = [math.log10(place) if is_log else place for place in drawn["data"][0]["x"]]
    assert low < places[0] < places[1] < high
    assert (low, high) == pytest.approx([math.log10(limit) if is_log else limit for limit in limits], rel=1e-5)


def test_the_opacity_of_marks_is_in_their_colours_and_costs_no_layer_each():
    (cross,) = figure(Axis("x"), Points([1], [0.85], "#d55e00", "it", "cross", opacity=0.4))["data"]
    marker = cross["marker"]
    assert (marker["color"], marker["line"]["color"], marker["opacity"]) == ("#d55e0066", "#d55e0066", 1.0)


def test_many_curves_are_one_trace_with_gaps():
    (trace,) = figure(Axis("x"), MARKS[1])["data"]
    assert trace["x"] == [1, 2, None, 1, 2, 3, None]
    assert trace["text"] == ["first"] * 3 + ["second"] * 4


def test_short_bars_are_kept():
    for width, is_simplified in ((1.2, True), (11.0, False)):
        [trace] = figure(Axis("x"), Curves([([1, 2], [0.1, 0.1])], theme.BLUE, "complete", width=width))["data"]
        assert trace["line"]["simplify"] == is_simplified


def test_a_band_goes_there_along_its_upper_line_and_back_along_the_lower():
    [trace] = figure(Axis("x"), Band([1, 2], [0.1, 0.2], [0.3, 0.4], theme.GREEN))["data"]
    assert (trace["x"], trace["y"], trace["fill"]) == ([1, 2, 2, 1], [0.3, 0.4, 0.2, 0.1], "toself")


def test_what_a_study_calls_things_is_no_markup():
    drawn = figure(Axis("<i>x"))
    assert drawn["layout"]["xaxis"]["title"]["text"] == "&lt;i&gt;x"
    assert drawn["layout"]["title"]["text"] == "a &lt; b"
    assert drawn["data"][-1]["text"] == ["&lt;b&gt;<br>x"]


@pytest.mark.parametrize(
    ("step", "form"), [(0.1, ".1f"), (0.05, ".2f"), (0.02, ".2f"), (0.005, ".3f"), (1, ".0f"), (500, ".0f"), (2e-9, ".9f")]
)
def test_ticks_have_as_many_decimals_as_they_need_whichever_step_the_browser_takes(step, form):
    stops = figure(Axis("x", limits=(0.8, 1.0)))["layout"]["xaxis"]["tickformatstops"]
    ranges = [(it["dtickrange"], it["value"]) for it in stops]
    assert [value for (low, high), value in ranges if low <= step and (high is None or step <= high)] == [form]


def test_the_levels_of_a_surface_are_round_numbers():
    (trace,) = figure(Axis("x"), Surface([1, 2], [1, 2], [[0.8713, 0.9], [0.91, 0.9234]], "accuracy"))["data"]
    assert trace["contours"] == {"start": 0.875, "end": 0.92, "size": 0.005}
    assert trace["colorbar"]["tickformat"] == ".3f"


def test_parallel_coordinates_are_shares_of_each_axis():
    axes = (
        Axis("lr", is_log=True, limits=(0.01, 1)),
        Axis("kind", limits=(-0.5, 1.5), ticks=((0.0, "a"), (1.0, "b"))),
        Axis("y", limits=(0, 10)),
    )
    lines = Parallel(axes, [(0.1, 1.0, 5.0), (0.01, None, 20.0)], [0, 1], theme.BLUE, ["one", "two"], [7, 8])
    [figure_] = interactive.figures(Picture("it", "", "", (Panel(Axis(""), Axis(""), (lines,)),)))
    drawn = figure_["parallel"]
    assert drawn["columns"] == [[0.5, 0.0], [0.75, None], [0.5, 1.0]]
    assert drawn["ids"] == [7, 8]
    assert drawn["axes"][1]["ticks"] == [(0.25, "a"), (0.75, "b")]
    assert [text for _, text in drawn["axes"][2]["ticks"]] == ["0", "2", "4", "6", "8", "10"]
