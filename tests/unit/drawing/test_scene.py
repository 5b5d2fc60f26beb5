from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Axis, Line, Panel, Picture, Points


def test_the_legend_names_each_kind_once_and_the_top_one_first():
    below, above = Points([], [], theme.RED, "failed"), Points([], [], theme.BLUE, "complete")
    line, nameless = Line([], [], theme.GREEN, "best so far"), Points([], [], theme.GREY)
    panel = Panel(Axis("x"), Axis("y"), (line, below, above, nameless))
    assert [mark.name for mark in Picture("it", "", "", (panel, panel)).legend()] == ["complete", "failed", "best so far"]


def test_each_colour_has_a_place_on_a_dark_ground_too():
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    for colour in (theme.BLUE, theme.ORANGE, theme.GREEN, theme.RED, theme.PINK, theme.SKY, theme.GREY):
        shown = theme.ON_DARK.get(colour, colour)
        assert (lightness(shown) + 0.05) / (lightness("#1d2128") + 0.05) > 4.5  # WCAG's contrast for text
