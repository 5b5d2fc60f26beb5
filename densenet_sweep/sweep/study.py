"""The study: where it is stored, that it is the one that is meant, and what samples and prunes in it."""

import difflib
import importlib
import inspect
import json
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet_sweep.sweep.errors import SweepError
from densenet_sweep.sweep.space import Space

if TYPE_CHECKING:
    import optuna

JOURNAL = "study.journal"

_TURNS_TO_MAKE_TABLES = 6

_DIRECTIONS = ("minimize", "maximize")


def directions(given: str | Sequence[str]) -> list[str]:
    """Return the directions as a list, one an objective.

    Raises:
        SweepError: another word.
    """
    listed = [given] if isinstance(given, str) else list(given)
    for direction in listed:
        if direction not in _DIRECTIONS:
            raise SweepError(f"hydra.sweeper.direction={direction}: one of {', '.join(_DIRECTIONS)} is accepted")
    return listed


def open_storage(url: str | None, sweep_dir: Path) -> "optuna.storages.BaseStorage":
    """Return the storage at `url`, or the journal file in the sweep's folder.

    Raises:
        SweepError: it cannot be reached, or several processes could not share it.
        OSError: the folder cannot be written.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is None or url.startswith("journal:"):
        from densenet_sweep.sweep.journal import MendedJournal

        path = sweep_dir / JOURNAL if url is None else Path(url.removeprefix("journal:").removeprefix("//"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.JournalStorage(MendedJournal(str(path)))
    if "://" not in url:
        raise SweepError(f"hydra.sweeper.storage={url}: null (a journal file), journal:PATH or a database URL is accepted")
    for turn in range(_TURNS_TO_MAKE_TABLES):
        try:
            return optuna.storages.RDBStorage(url)
        except Exception as error:  # each driver has its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            # Of two that make the tables of a new database at once, one fails; a moment later they are there.
            if turn + 1 < _TURNS_TO_MAKE_TABLES and re.search(r"already exists|UniqueViolation|DuplicateTable", str(error)):
                time.sleep(0.5)
                continue
            raise SweepError(f"hydra.sweeper.storage={redacted(url)}: cannot be used ({redacted(reason)})") from error
    raise AssertionError("the last turn returns or raises")


def redacted(url: str) -> str:
    """Return `url` without its password, for people's eyes."""
    head, at, tail = url.rpartition("@")
    scheme, separator, credentials = head.rpartition("://")
    if not at or not separator or ":" not in credentials:
        return url
    return f"{scheme}://{credentials.partition(':')[0]}:***@{tail}"


def open_study(
    storage: "optuna.storages.BaseStorage",
    name: str,
    *,
    directions: Sequence[str],
    space: Space,
    base: Mapping[str, Any],
    ignored: Sequence[str],
    allow_change: bool,
) -> "optuna.Study":
    """Return the study `name`, made or continued.

    A study keeps the space that it searches and the composed config that everything else is fixed to. Both must be the same
    when it is continued, or its trials would not compare.

    Args:
        storage: where it lives.
        name: of the study.
        directions: one an objective.
        space: what is searched.
        base: the composed job config, flat, by override path.
        ignored: prefixes of keys in which a continuation may differ, such as `device`.
        allow_change: continue although `base` differs; the study then holds the new one.

    Raises:
        SweepError: the stored study has other directions, another space or another config.
    """
    import optuna

    searched = tuple(space.parameters)
    kept = {
        key: value
        for key, value in base.items()
        if not _is_below(key, ignored) and not _is_below(key, [name.lstrip("+") for name in searched])
    }
    wanted = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        study = optuna.create_study(storage=storage, study_name=name, directions=wanted, load_if_exists=True)
    attributes = study.user_attrs
    elsewhere = f"another hydra.sweeper.study_name starts a new study beside {name}"
    if [direction.name.lower() for direction in study.directions] != list(directions):
        before = ",".join(direction.name.lower() for direction in study.directions)
        raise SweepError(f"hydra.sweeper.direction={','.join(directions)}: the study {name} has {before}; {elsewhere}")
    if "space" not in attributes:
        study.set_user_attr("space", space.described())
        study.set_user_attr("config", kept)
        return study
    _compare(attributes["space"], space.described(), f"the study {name} searches", elsewhere)
    if allow_change:
        study.set_user_attr("config", kept)
    else:
        hint = f"{elsewhere}, hydra.sweeper.allow_config_change=true mixes the two"
        _compare(attributes["config"], json.loads(json.dumps(kept)), f"the study {name} has", hint)
    return study


def build(section: Mapping[str, Any], key: str, **extra: Any) -> Any:
    """Return the object that a config section describes: `_target_` and its constructor's arguments, nested or not.

    Raises:
        SweepError: a target that does not exist, or an argument that its constructor does not take; by name, with those it
            takes.
    """
    target = str(section.get("_target_"))
    module, _, name = target.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise SweepError(f"{key}._target_={target}: no such class") from None
    accepted = list(inspect.signature(factory).parameters)
    arguments = {argument: value for argument, value in section.items() if argument != "_target_"}
    for argument, value in arguments.items():
        if argument not in accepted:
            close = difflib.get_close_matches(argument, accepted, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SweepError(f"{key}.{argument}: unknown argument of {name}{hint}; {', '.join(accepted)} are accepted")
        if isinstance(value, Mapping) and "_target_" in value:
            arguments[argument] = build(value, f"{key}.{argument}")
    arguments |= {argument: value for argument, value in extra.items() if argument in accepted}
    try:
        with warnings.catch_warnings():
            # Optuna calls several of its samplers and pruners experimental; whoever names one has chosen it.
            warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
            warnings.filterwarnings("ignore", message=".* is experimental")
            return factory(**arguments)
    except (TypeError, ValueError) as error:
        raise SweepError(f"{key}: {name} refuses its arguments ({error})") from error


def grid(space: Space) -> dict[str, list[Any]]:
    """Return every value of every parameter, as Optuna's grid sampler takes them.

    Raises:
        SweepError: a parameter without a finite number of values.
    """
    values: dict[str, list[Any]] = {}
    for name, parameter in space.parameters.items():
        distribution: Any = parameter.distribution
        if hasattr(distribution, "choices"):
            values[name] = list(distribution.choices)
        elif distribution.step is not None and not distribution.log:
            count = round((distribution.high - distribution.low) / distribution.step) + 1
            values[name] = [distribution.low + index * distribution.step for index in range(count)]
        else:
            raise SweepError(f"{name}={parameter.text}: the grid sampler takes choice(...) and range(...)")
    return values


def _is_below(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], subject: str, hint: str) -> None:
    for key in sorted(before.keys() | now.keys()):
        if before.get(key, "nothing") != now.get(key, "nothing"):
            old, new = (_shown(side.get(key, "nothing")) for side in (before, now))
            raise SweepError(f"{key}: now {new}, but {subject} {old}; {hint}")


def _shown(value: Any) -> str:
    """Return a stored distribution in a readable form, any other value as it is."""
    try:
        stored = json.loads(value)
        return f"{stored['name'].removesuffix('Distribution').lower()} {stored['attributes']}"
    except (TypeError, ValueError, KeyError):
        return str(value)
