"""What the trials of a command share within a process, and its next command must read anew: files may have changed."""

import functools
from typing import Any, TypeVar

_Cached = TypeVar("_Cached", bound="functools._lru_cache_wrapper[Any]")

_caches: list["functools._lru_cache_wrapper[Any]"] = []


def per_command(cached: _Cached) -> _Cached:
    """Return a function that `functools.lru_cache` has made, and let `clear` empty its cache."""
    _caches.append(cached)
    return cached


def clear() -> None:
    """Empty the caches of all functions that are `per_command`."""
    for it in _caches:
        it.cache_clear()
