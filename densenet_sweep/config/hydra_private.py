"""What is needed of Hydra and has no public name."""

from argparse import ArgumentParser

from hydra._internal.utils import get_args_parser


def command_line_parser() -> ArgumentParser:
    """Return Hydra's own parser of a command line, so that what is checked before Hydra starts is what Hydra will read."""
    return get_args_parser()
