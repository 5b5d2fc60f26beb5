"""Command lines: what is wrong with one is reported in a line, like any other error, and not by a page about its usage."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from hydra_async_sweeper.readable import did_you_mean


class Parser(argparse.ArgumentParser):
    """Reads the arguments of the subcommand `command`; `options` lists those that begin with `--`."""

    def __init__(self, command: str, description: str | None) -> None:
        self.options: list[str] = []
        super().__init__(prog=f"densenet-sweep {command}", description=description)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an argument as `argparse` does, and list it if it is an option."""
        self.options += [name for name in names if name.startswith("--")]
        return super().add_argument(*names, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise what `argparse` would print before it exits.

        Raises:
            ValueError: in one line.
        """
        raise ValueError(in_one_line(message, self.prog, self.options))


def in_one_line(message: str, command: str, options: Sequence[str] = ()) -> str:
    """Return a message of `argparse` in our form: the words, what is wrong with them and what is accepted.

    Args:
        message: as `argparse` gives it to `ArgumentParser.error`.
        command: whose arguments they are, as it is typed.
        options: that it has.
    """
    if found := re.fullmatch(r"unrecognized arguments: (\S+).*", message, re.DOTALL):
        word = found[1]
        if not word.startswith("-"):
            return f"{word}: one argument too many; {command} --help shows what is accepted"
        accepted = f"; {', '.join(options)} are accepted" if options else f"; {command} --help shows those that it has"
        if not options and "=" in word:  # of the command itself, whose overrides look alike
            accepted = f"; an override has no dashes: {word.lstrip('-')}"
        return f"{word}: {command} has no such option{did_you_mean(word.partition('=')[0], options)}{accepted}"
    if found := re.fullmatch(r"argument (\S+): expected (?:one|at least one) argument", message):
        return f"{found[1]}: a value is missing"
    if found := re.fullmatch(r"argument (\S+): ignored explicit argument '(.*)'", message, re.DOTALL):
        return f"{found[1]}={found[2]}: {found[1]} takes no value"
    if found := re.fullmatch(r"argument (\S+): invalid int value: '(.*)'", message, re.DOTALL):
        return f"{found[1]} {found[2]}: a whole number is accepted"
    if found := re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL):
        return f"{found[1]} {found[2]}: one of {found[3].replace(chr(39), '')} is accepted"
    if found := re.fullmatch(r"the following arguments are required: (.+)", message):
        return f"{command}: {found[1]} missing; {command} --help shows what is accepted"
    return f"{command}: {message}"
