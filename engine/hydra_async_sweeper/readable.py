"""Any exception as one readable line: what was wrong, where, and what is accepted."""

import dataclasses
import difflib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    ConfigTypeError,
    GrammarParseError,
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from hydra_async_sweeper import extras

# Ends of OmegaConf's messages, and what is accepted then.
_KINDS = {
    "converted to Integer": "a whole number",
    "converted to Float": "a number",
    "not a valid bool": "true or false",
    "to string:": "a text",
}


def one_line(error: BaseException, groups: Sequence[str] = (), distribution: str = extras.DISTRIBUTION) -> str:
    """Return the message of `error` on one line; expected kinds (bad values, missing files) come without their type.

    Args:
        error: to be shown.
        groups: config groups, which a misspelt key at the top may have meant.
        distribution: whose extras install a launcher that is missing.
    """
    error = unwrapped(error)
    for link in _chain(error):
        if isinstance(link, MissingConfigException):
            return _missing_option(link, distribution)
        if isinstance(link, ConfigKeyError | ConfigAttributeError):
            return _unknown_key(link, groups)
        if isinstance(link, OverrideParseException):
            wrong = str(link).splitlines()[1].split(" expecting {")[0]
            return f"{link.override}: key=value in Hydra's grammar is accepted, with quotes around special characters ({wrong})"
        if isinstance(link, OmegaConfBaseException) and (reason := _unresolved(link)):
            return reason
        if isinstance(link, ValidationError | ConfigTypeError) and link.full_key:
            typed = re.search(r"Error merging override (.+)", str(error))
            if kind := _accepted_kind(link):
                given = re.match(r"Value '?(.*?)'? (?:of type '\w+' could not|is not a valid bool)", first_line(link))
                key = f"{link.full_key}={given[1]}" if given else link.full_key
                return f"{typed[1] if typed else key}: {kind}"
            return f"{link.full_key}: {first_line(link)}"
    message = " ".join(line.strip() for line in str(error).strip().splitlines() if line.strip())
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _first_sentence(message)
    if isinstance(error, ValueError | OSError | ArithmeticError) and message:
        return _with_file(error, message)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def first_line(error: object) -> str:
    """Return the first line of the message of `error`, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shown_path(path: Path) -> Path:
    """Return `path` as a user would type it: relative if it is below the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def unwrapped(error: BaseException) -> BaseException:
    """Return the original error of a function called by `hydra.utils.instantiate`; Hydra's wrapper only names the function."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def counted(number: int, noun: str) -> str:
    """Return `number` with `noun`, in the plural unless it is 1."""
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def short_params(params: Mapping[str, Any]) -> str:
    """Return searched values for a line or a cell: by the last parts of their paths, if unique, with three digits."""
    last = {name.rpartition(".")[2]: value for name, value in params.items()}
    shown = last if len(last) == len(params) else params
    return " ".join(f"{name}={f'{value:.3g}' if isinstance(value, float) else value}" for name, value in shown.items())


def broken(words: Sequence[str], width: int) -> str:
    """Return a shell command, broken into lines of at most `width` where words allow it, as a shell continues them."""
    lines: list[str] = []
    for word in map(shlex.quote, words):
        if lines and len(lines[-1]) + len(word) + 1 <= width - 2:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}" if lines else word)
    return " \\\n".join(lines)


def numbered(trials: Sequence[int]) -> str:
    """Return trial numbers as text, such as `trials 3, 7`."""
    return f"{'trial' if len(trials) == 1 else 'trials'} {', '.join(map(str, trials))}"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean X?` for the known word closest to `word`, or nothing."""
    matches = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def unknown_key(section: str, key: str, accepted: list[str], groups: Sequence[str] = ()) -> str:
    """Return the message for a key that `section` lacks, with the nearest and all accepted keys; the root is the section "".

    Args:
        section: that lacks the key.
        key: without its section.
        accepted: keys of the section.
        groups: config groups, which are accepted at the root.
    """
    if not section:
        accepted = [*accepted, *(group for group in groups if group not in accepted)]
    hint = f"; {section or 'the config'} accepts {', '.join(accepted)}" if accepted else ""
    return f"unknown key {f'{section}.{key}' if section else key}{did_you_mean(key, accepted)}{hint}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith(("ss", "x", "sh", "tch")) else f"{noun}s"


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _unresolved(error: OmegaConfBaseException) -> str | None:
    """Return what an interpolation lacks, or a value that is missing."""
    key, message = (f"{error.full_key}: " if error.full_key else ""), str(error)
    if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
        missing = re.search(r"mandatory value: (\S+)", message)
        is_direct = isinstance(error, MissingMandatoryValue) and error.full_key
        name = error.full_key if is_direct else missing and missing[1]
        return f"{name}: has no value, and needs one" if name else None
    if unset := re.search(r"Environment variable '(\w+)' not found", message):
        return f"{key}the environment variable {unset[1]} is not set"
    if absent := re.match(r"Interpolation key '(.*)' not found", message):
        return f"{key}${{{absent[1]}}} is not a key of the config"
    if "HydraConfig was not set" in message:
        return f"{key}${{hydra:KEY}} has a value here from Hydra 1.4 on; ${{hydra.KEY}}, with a dot, is accepted"
    return f"{key}{first_line(error)}" if key and isinstance(error, InterpolationResolutionError | GrammarParseError) else None


def _unknown_key(error: OmegaConfBaseException, groups: Sequence[str]) -> str:
    section, _, key = str(error.full_key or error.key).rpartition(".")
    return unknown_key(section, key, _accepted_keys(error), groups)


def _accepted_keys(error: OmegaConfBaseException) -> list[str]:
    if dataclasses.is_dataclass(error.object_type):
        return [field.name for field in dataclasses.fields(error.object_type) if not field.name.startswith("_")]
    node: Any = error.parent_node
    try:
        return [str(key) for key in node if not str(key).startswith("_")]
    except TypeError:
        return []


def _accepted_kind(error: OmegaConfBaseException) -> str | None:
    """Return what is accepted in place of a value of the wrong kind: a list, a section or a plain value."""
    if "is not a ListConfig" in str(error) or error.object_type is list:
        return "a list such as [A,B] is accepted"
    if "does not support deletion" in str(error) or "does not support pop" in str(error):
        return "cannot be removed, as it needs a value"
    for wrong, kind in _KINDS.items():
        if wrong in str(error):
            return f"{kind} is accepted"
    if isinstance(error, ConfigTypeError) and (accepted := _accepted_keys(error)):
        return f"values for {', '.join(accepted)} are accepted"
    return None


def _missing_option(error: MissingConfigException, distribution: str) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, option = missing.rpartition("/")
    options = sorted(name for name in error.options or () if not name.startswith("_"))
    if not group or not options:
        return _first_sentence(str(error))
    if group == "hydra/launcher" and (needed := extras.launcher_needs(option, distribution)):
        return f"{group}={option}: {needed}"
    return f"{group}={option}: no such option{did_you_mean(option, options)}; one of {', '.join(options)} is accepted"


def _with_file(error: BaseException, message: str) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return message


def _first_sentence(message: str) -> str:
    """Return `message` without the search paths and hints that Hydra appends to it."""
    line = " ".join(part.strip() for part in message.strip().splitlines() if part.strip())
    return re.split(r" (?:Config search path|To append to your config|Set the environment variable)", line)[0]
