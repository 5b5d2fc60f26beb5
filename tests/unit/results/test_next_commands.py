import io

from rich.console import Console

from densenet_sweep.results import next_commands


def test_where_a_terminal_is_too_narrow_purposes_stand_above_commands():
    console = Console(file=io.StringIO(), width=56, force_terminal=True, no_color=True)
    lines = [
        ("densenet-sweep ui", "look"),
        ("densenet-sweep predict 0123456789abcdef0123456789abcdef 'my image.png'", "classify"),
    ]
    next_commands.show(console, lines)
    assert console.file.getvalue().splitlines()[2:] == [
        "  # look",
        "  densenet-sweep ui",
        "  # classify",
        "  densenet-sweep predict \\",
        "    0123456789abcdef0123456789abcdef 'my image.png'",
    ]
