from io import BytesIO

import numpy as np
import pytest

from densenet_sweep.drawing import png, theme
from densenet_sweep.drawing.scene import Axis, Band, Bars, Curves, Line, Panel, Parallel, Picture, Points, Surface

POINTS = Points([1, 10, 100], [0.1, 0.2, 0.3], theme.BLUE, "complete")
PANEL = Panel(
    Axis("lr", is_log=True, limits=(0.5, 200)),
    Axis("accuracy", limits=(0, 1)),
    (
        POINTS,
        Line([1, 10], [0.5, 0.6], theme.GREEN, "best", is_step=True),
        Curves([([1, 2], [0.1, 0.2]), ([1], [0.4])], theme.ORANGE, "pruned"),
        Band([1, 10], [0.7, 0.7], [0.9, 0.9], theme.PINK, "band", opacity=1.0),
    ),
)


def pixels(picture: Picture) -> np.ndarray:
    from matplotlib.image import imread

    image = np.asarray(imread(BytesIO(png.draw(picture))))
    assert image.ndim == 3
    return image


def has_colour(image: np.ndarray, colour: str) -> bool:
    wanted = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    return bool((np.abs(image[..., :3] - wanted).max(axis=-1) < 0.02).any())


def picture(*panels: Panel, title: str = "A title", note: str = "A note.") -> Picture:
    return Picture("it", title, note, panels or (PANEL,))


def test_every_mark_is_drawn_in_its_colour():
    image = pixels(picture())
    assert all(has_colour(image, colour) for colour in (theme.BLUE, theme.GREEN, theme.ORANGE, theme.PINK))
    assert not has_colour(image, theme.RED)


def test_bars_and_a_surface_with_a_hole():
    bars = Panel(
        Axis("share", limits=(0, 1)),
        Axis("", ticks=((0.0, "a_b^c"), (1.0, "$x"))),
        (Bars([0.7, 0.3], ["0.7", "$"], theme.BLUE),),
    )
    assert has_colour(pixels(picture(bars)), theme.BLUE)
    surface = Surface([1, 2, 3], [1, 2], [[0.1, 0.2, float("nan")], [0.2, 0.3, 0.4]], "accuracy")
    assert pixels(picture(Panel(Axis("x"), Axis("y"), (surface,)))).size


def test_the_legend_stays_in_the_picture_however_long_its_names_are():
    names = ["a" * 8, *(f"{letter * 30}, pretrained" for letter in "WMbcd"), "x" * 300]
    for number in range(1, len(names) + 1):
        panel = Panel(Axis("x"), Axis("y"), tuple(Points([1], [1], theme.BLUE, name) for name in names[-number:]))
        image = pixels(picture(panel))[..., :3]
        assert (image[:, -4:] == 1.0).all(), number


def test_nothing_touches_the_edge_however_long_the_title():
    image = pixels(picture(*[PANEL] * 7, title="a long title " * 12, note="a note $that looks like a formula^ " * 12))[..., :3]
    for edge in (image[:4], image[-4:], image[:, :4], image[:, -4:]):
        assert (edge == 1.0).all()


def test_a_worker_keeps_no_figure_and_no_setting():
    import matplotlib
    import matplotlib.pyplot

    before = dict(matplotlib.rcParams)
    png.draw(picture())
    assert matplotlib.pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(("text", "shown"), [("short", "short"), ("x" * 30, f"{'x' * 11}…{'x' * 11}")])
def test_long_names_lose_their_middle(text, shown):
    assert png.shortened(text) == shown


def plain(*values: float) -> Panel:
    return Panel(Axis("epoch"), Axis("loss (nats per image)"), (Line(range(len(values)), values, theme.BLUE, "training"),))


@pytest.fixture
def measured(monkeypatch):
    """Count how often Matplotlib measures what is around the axes."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    execute, calls = ConstrainedLayoutEngine.execute, []
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: calls.append(1) or execute(engine, figure))
    return calls


@pytest.mark.parametrize("values", [(0.1, 0.9), (0.9861, 0.9888), (-0.9861, -0.9888), (450.5, 500.25)])
def test_short_numbers_have_room_without_measuring(values, measured):
    image = pixels(picture(plain(*values), plain(*values)))
    assert not measured
    for edge in (image[:, :4], image[:, -4:], image[-4:]):
        assert (edge == 1).all()


def test_a_line_of_names_has_room_without_measuring(measured):
    names = Panel(Axis("optimizer", ticks=((1, "nesterov"), (100, "adamw"))), Axis("accuracy", limits=(0, 1)), (POINTS,))
    image = pixels(picture(names, names))
    assert not measured
    for edge in (image[:, :4], image[:, -4:], image[-4:]):
        assert (edge == 1).all()


@pytest.mark.parametrize(
    "panel",
    [plain(1e6, 2e6), plain(0.98611, 0.98622), Panel(Axis("", ticks=((0, "a" * 20), (1, "b" * 20))), Axis("y"), (POINTS,))],
)
def test_the_room_for_others_is_measured(panel, measured):
    pixels(picture(panel))
    assert measured


def test_parallel_coordinates_and_numbers_beside_arrows():
    axes = (Axis("a.lr", is_log=True, limits=(0.01, 1)), Axis("y", limits=(0, 10)))
    lines = Panel(Axis(""), Axis(""), (Parallel(axes, [(0.1, 5.0), (None, 2.0)], [1, 0], theme.BLUE),))
    assert has_colour(pixels(picture(lines)), theme.BLUE)
    arrows = Points([1, 10], [0, 0], theme.ORANGE, "beyond", "down", texts=["12", "$3"])
    assert has_colour(pixels(picture(Panel(Axis("x", limits=(0, 11)), Axis("y", limits=(0, 1)), (arrows,)))), theme.ORANGE)
