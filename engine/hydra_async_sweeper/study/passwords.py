"""Passwords in URLs: found, hidden, and taken from the environment alone.

URL parsers end a password at its first `/`, `@` or `?` that is not percent-encoded, and would leave the rest readable. So the
hidden part extends to the last `@` that can end the password.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from hydra_async_sweeper.errors import SweepError

# What to do instead of writing a password, for a key of the config and its URL.
Advice = Callable[[str, str], str]

_HIDDEN = "***"

# Where a URL begins in a text.
_START = re.compile(r"(?:^|(?<=[\s'\"=,;(\[{<]))[A-Za-z][A-Za-z0-9+.\-]*://")
_QUERY = re.compile(r"\?(?=[\w.%+\-]+=)")
_SECRET = re.compile(r"(?i)([?&;]\w*(?:password|passwd|pwd|passphrase|secret|token|api_?key)=)((?!\*\*\*)[^&;#\s]+)")
_ODBC = re.compile(r"(?i)([?&;]odbc_connect=)((?!\*\*\*)[^&;#\s]+)")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:/@\[\]]*):\d*(/|$)")

# A password that an interpolation gives is written nowhere.
_INTERPOLATION = re.compile(r"(\$\{[^}]*\})+")

# Shorter pieces of a password would match in any text.
_SHORTEST_PIECE = 4


def redacted(text: str) -> str:
    """Return `text`, a URL or a text with URLs, with their passwords hidden, for display and for files."""
    hidden = text
    for start, end in reversed(list(_secrets(text))):
        hidden = f"{hidden[:start]}{_HIDDEN}{hidden[end:]}"
    return hidden


def scrubbed(message: str) -> str:
    """Return a driver's message without passwords in URLs, and without those of the environment, whole or in pieces."""
    message = redacted(message)
    for piece in sorted(_pieces_in_the_environment(), key=len, reverse=True):
        message = message.replace(piece, _HIDDEN)
    return message


def revealed(url: str) -> str:
    """Return `url` with its password, from the environment variable that holds it; no file of a sweep does.

    Raises:
        SweepError: no environment variable holds it.
    """
    if _HIDDEN not in url:
        return url
    for value in os.environ.values():
        if value != url and redacted(value) == url:
            return value
    raise SweepError(f"hydra.sweeper.storage={url}: no variable of the environment holds this URL with its password")


def advice_on_storage(key: str, url: str, variable: str = "SWEEP_STORAGE") -> str:  # noqa: ARG001 - the signature of an advice
    """Return how a URL with a password reaches `key` through a variable of the environment."""
    return f"export {variable}=URL, and {key}='${{oc.env:{variable}}}'"


def check_password(url: str | None, key: str = "hydra.sweeper.storage", advice: Advice = advice_on_storage) -> None:
    """Refuse a password that does not come from the environment: it would end up in Hydra's files and the shell's history.

    Raises:
        SweepError: there is one; the message does not show it.
    """
    if url is not None and redacted(url) != url and url not in os.environ.values():
        raise SweepError(_refusal(key, url, advice))


def refuse_written(values: Any, key: str = "", advice: Advice = advice_on_storage) -> None:
    """Refuse literal passwords in nested `values`, a config with its interpolations unresolved: such values reach files.

    Args:
        values: plain.
        key: of `values` in the config.
        advice: what to do instead, for a key and a URL.

    Raises:
        SweepError: there is one; the message does not show it.
    """
    if isinstance(values, Mapping):
        for name, item in values.items():
            refuse_written(item, f"{key}.{name}" if key else str(name), advice)
    elif isinstance(values, list | tuple):
        for item in values:
            refuse_written(item, key, advice)
    elif isinstance(values, str) and any(not _INTERPOLATION.fullmatch(values[start:end]) for start, end in _secrets(values)):
        raise SweepError(_refusal(key, values, advice))


def _refusal(key: str, url: str, advice: Advice) -> str:
    return f"{key}={redacted(url)}: a password is taken from the environment alone: {advice(key, url)}"


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yield the span of each password in `text`, in order."""
    starts = [match.start() for match in _START.finditer(text)]
    for start, following in zip(starts, [*starts, len(text)][1:], strict=True):
        url = text[start:following]
        if starts != [0]:  # in a text, a URL ends where a word does
            url = re.split(r"\s", url, maxsplit=1)[0]
        found = []
        if span := _password(url):
            found.append(span)
        for pattern in (_SECRET, _ODBC):
            for match in pattern.finditer(url):
                is_harmless = pattern is _ODBC and "pwd=" not in unquote(match[2]).lower()
                inside = any(begin <= match.start(2) < end for begin, end in found)
                if not is_harmless and not inside:
                    found.append(match.span(2))
        yield from ((start + begin, start + end) for begin, end in sorted(found))


def _password(url: str) -> tuple[int, int] | None:
    """Return the span of the password before the host of `url`."""
    scheme, _, rest = url.partition("://")
    query = _QUERY.search(rest)
    before = rest[: query.start()] if query else rest
    end = before.rfind("@")
    if end < 0:
        if _HOST_AND_PORT.match(before):
            return None
        end = rest.rfind("@")
    elif scheme in ("http", "https") and _HOST_AND_PORT.match(before):
        return None
    colon = rest.find(":")
    if not 0 <= colon < end or re.search(r"[/?#]", rest[:colon]) or rest[colon + 1 : end] in ("", _HIDDEN):
        return None
    offset = len(scheme) + len("://")
    return offset + colon + 1, offset + end


def _pieces_in_the_environment() -> set[str]:
    """Return the passwords of the environment, of URLs and `..._PASSWORD`, whole and in the pieces a parser makes."""
    passwords = [value[start:end] for value in os.environ.values() if "://" in value for start, end in _secrets(value)]
    passwords += [value for name, value in os.environ.items() if name.endswith("PASSWORD") and value]
    pieces = {
        piece
        for password in passwords
        for text in (password, unquote(password))
        for piece in (text, *re.split("[@/?#:&]", text))
    }
    return {piece for piece in pieces if len(piece) >= _SHORTEST_PIECE}
