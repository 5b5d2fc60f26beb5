import io

from omegaconf import OmegaConf
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


def test_a_command_that_builds_a_network_names_the_users_folder_and_store():
    sources = [{"provider": "hydra", "path": "hydra.conf"}, {"provider": "command-line", "path": "/mine/conf"}]
    hydra = {"overrides": {"task": ["tracking.uri=http://here", "epochs=3"]}, "runtime": {"config_sources": sources}}
    config = OmegaConf.create({"hydra": hydra})
    assert next_commands.command("predict", "champion", config=config) == (
        "densenet-sweep predict champion tracking.uri=http://here --config-dir /mine/conf"
    )
    assert next_commands.command("ui", config=config) == "densenet-sweep ui tracking.uri=http://here"
