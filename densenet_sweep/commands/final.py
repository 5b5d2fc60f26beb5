"""`densenet-sweep final [overrides]`: train one network on training and validation images together, and test it once.

For a configuration that has been chosen. Several are compared by `confirm`, never by their test accuracies.
"""

from hydra.core.override_parser.overrides_parser import OverridesParser

from densenet_sweep.config.composition import Command
from densenet_sweep.config.hydra_private import command_line_parser


def main(arguments: list[str]) -> Command:
    """Return the command that trains it, to be run as if it had been typed.

    Raises:
        ValueError: several networks are requested.
    """
    parsed = command_line_parser().parse_args(arguments)
    swept = [it.input_line for it in OverridesParser.create().parse_overrides(parsed.overrides) if it.is_sweep_override()]
    swept += [word for word in parsed.overrides if word.startswith(("sweep=", "hydra.mode=MULTIRUN"))]
    if parsed.multirun or swept:
        raise ValueError(
            f"{swept[0] if swept else '--multirun'}: final trains one network; confirm compares the best of a sweep"
        )
    return Command(arguments, final=True)
