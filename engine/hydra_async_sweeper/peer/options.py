"""Options in the forms of hydra-optuna-sweeper, turned into ours."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space.override_text import choice_text
from hydra_async_sweeper.study.earlier import with_present_targets

log = logging.getLogger("hydra_async_sweeper")

# What stands for a sampler or pruner that is null: Optuna's defaults for a study.
_SAMPLER = {"_target_": "optuna.samplers.TPESampler"}
_PRUNER = {"_target_": "optuna.pruners.NopPruner"}


def translated(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `hydra.sweeper` with the peer's forms replaced by ours.

    Raises:
        SweepError: a form that has no counterpart.
    """
    ours = dict(options)
    for key in ("sampler", "pruner"):
        _check_is_described(key, options[key])
    if not isinstance(options["params"] or {}, Mapping):
        raise SweepError(f"hydra.sweeper.params={options['params']}: a mapping such as {{x: interval(0,1)}} is accepted")
    ours["sampler"] = with_present_targets(options["sampler"] or _SAMPLER)
    ours["pruner"] = with_present_targets(options["pruner"] or _PRUNER)
    ours["storage"] = storage_url(options["storage"])
    params = dict(options["params"] or {})
    old = {key: entry for key, entry in params.items() if _is_of_1_1(entry)}
    if options["search_space"] or old:
        log.warning(
            "hydra.sweeper.search_space is the form of hydra-optuna-sweeper 1.1, and deprecated: hydra.sweeper.params takes "
            "key: choice(a,b), or python -m hydra_async_sweeper.migrate turns the whole config"
        )
        params = params_from_search_space(options["search_space"] or {}) | params | params_from_search_space(old)
    ours["params"] = _of_the_grid(ours["sampler"]) | params
    return ours


def _check_is_described(key: str, section: Any) -> None:
    if section is None or (isinstance(section, Mapping) and section.get("_target_")):
        return
    option = f"; hydra/sweeper/{key}={section}, with slashes, chooses an option" if isinstance(section, str) else ""
    raise SweepError(f"hydra.sweeper.{key}={section}: a mapping with _target_ is accepted{option}")


def _of_the_grid(sampler: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a grid sampler's own `search_space` names."""
    space = sampler.get("search_space") if str(sampler.get("_target_")).endswith(".GridSampler") else None
    if space is None:
        return {}
    if not isinstance(space, Mapping) or not all(isinstance(values, list) and values for values in space.values()):
        raise SweepError(f"hydra.sweeper.sampler.search_space={space}: a mapping such as {{x: [1,2]}} is accepted")
    return dict(space)


def storage_url(storage: Any) -> str | None:
    """Return the URL of a storage that a config describes by `_target_`, as for `hydra.utils.instantiate`; a URL as it is.

    Raises:
        SweepError: a storage that several processes cannot share.
    """
    if storage is None or isinstance(storage, str):
        return storage
    target = str(storage.get("_target_")) if isinstance(storage, Mapping) else str(storage)
    name = target.rpartition(".")[2]
    if isinstance(storage, Mapping) and name == "RDBStorage" and "url" in storage:
        _log_left_out(storage, ("url",))
        return str(storage["url"])
    if isinstance(storage, Mapping) and name == "GrpcStorageProxy":
        return f"grpc://{storage.get('host', 'localhost')}:{storage.get('port', 13000)}"
    backend = storage.get("log_storage") if isinstance(storage, Mapping) and name == "JournalStorage" else None
    if isinstance(backend, Mapping):
        target = str(backend.get("_target_"))
        if target.rpartition(".")[2] in ("JournalFileBackend", "JournalFileStorage") and "file_path" in backend:
            return f"journal:{backend['file_path']}"
    accepted = "RDBStorage(url), JournalStorage of a JournalFileBackend(file_path), GrpcStorageProxy(host, port), or a URL"
    raise SweepError(f"hydra.sweeper.storage: {target} cannot be shared by workers; {accepted} is accepted")


def _log_left_out(storage: Mapping[str, Any], used: Sequence[str]) -> None:
    left_out = [key for key, value in storage.items() if key not in (*used, "_target_") and value is not None]
    if left_out:
        log.info("hydra.sweeper.storage: %s left out; leases and retries are ours", ", ".join(left_out))


def _is_of_1_1(entry: Any) -> bool:
    """Return whether an entry of `params` has the form that 1.1 had in `search_space`."""
    keys = {"type", "low", "high", "step", "log", "choices"}
    return isinstance(entry, Mapping) and entry.get("type") in ("int", "float", "categorical") and {"type"} < set(entry) <= keys


def params_from_search_space(space: Any) -> dict[str, str]:
    """Return `params` for a `search_space` of hydra-optuna-sweeper 1.1, by whose rules `high` is included.

    Raises:
        SweepError: an entry of an unknown type, or without its bounds.
    """
    if not isinstance(space, Mapping):
        raise SweepError(f"hydra.sweeper.search_space={space}: a mapping of keys is accepted")
    return {str(key): _param(str(key), entry) for key, entry in space.items()}


def _param(key: str, entry: Any) -> str:
    try:
        kind = str(entry["type"])
        if kind == "categorical":
            return choice_text(entry["choices"])
        low, high, step, is_log = entry["low"], entry["high"], entry.get("step"), entry.get("log")
    except (KeyError, TypeError):
        kind = ""
    if kind not in ("int", "float"):
        accepted = "{type: int or float, low: 1, high: 9} or {type: categorical, choices: [a, b]}"
        raise SweepError(f"hydra.sweeper.search_space.{key}={entry}: {accepted} is accepted")
    if step is not None and not (kind == "int" and step == 1):
        return inclusive_range(low, high, step)
    interval = f"int(interval({low},{high}))" if kind == "int" else f"interval({low},{high})"
    return f"tag(log,{interval})" if is_log else interval


def inclusive_range(low: Any, high: Any, step: Any) -> str:
    """Return Hydra's `range`, which excludes its stop, over low, low + step, ... up to and including `high`.

    Raises:
        ValueError, ArithmeticError: what is no number, or a step of 0.
    """
    start, end, by = (Decimal(str(number)) for number in (low, high, step))
    last = start + (end - start) // by * by
    is_whole = all(isinstance(number, int) for number in (low, high, step))
    stop = last + (1 if by > 0 else -1) if is_whole else last + by
    return f"range({low},{stop})" if is_whole and by == 1 else f"range({low},{stop},{step})"
