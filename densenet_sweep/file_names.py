"""Names of files as text that any file, stream and line takes: a name on a disk may be neither UTF-8 nor one line."""

import unicodedata

# Control characters, what stands for bytes that are not UTF-8, and what ends a line.
_REFUSED = ("Cc", "Cs", "Zl", "Zp")


def is_readable(name: str) -> bool:
    """Return whether a name is UTF-8 of one line."""
    return not any(map(_is_refused, name))


def readable(name: str) -> str:
    """Return a name in which bytes that are not UTF-8, and characters that belong into no line, are escaped as in Python."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(it.encode("unicode_escape").decode("ascii") if _is_refused(it) else it for it in text)


def _is_refused(character: str) -> bool:
    return unicodedata.category(character) in _REFUSED
