from densenet_sweep.drawing import look
from densenet_sweep.drawing.scene import Axis, Line, Panel, Picture, Points


def test_the_legend_names_each_kind_once_and_the_top_one_first():
    below, above = Points([], [], look.RED, "failed"), Points([], [], look.BLUE, "complete")
    line, nameless = Line([], [], look.GREEN, "best so far"), Points([], [], look.GREY)
    panel = Panel(Axis("x"), Axis("y"), (line, below, above, nameless))
    assert [mark.name for mark in Picture("it", "", "", (panel, panel)).legend()] == ["complete", "failed", "best so far"]


def test_each_colour_has_a_place_on_a_dark_ground_too():
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    for colour in (look.BLUE, look.ORANGE, look.GREEN, look.RED, look.PINK, look.SKY, look.GREY):
        shown = look.ON_DARK.get(colour, colour)
        assert (lightness(shown) + 0.05) / (lightness("#1d2128") + 0.05) > 4.5  # WCAG's contrast for text
