"""The study: created, or continued if its definition is the same."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from hydra_async_sweeper.best_config import as_json, chosen_options, flat_job_config, is_below
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space.override_text import choice_text
from hydra_async_sweeper.space.search_space import Space
from hydra_async_sweeper.study.earlier import first_difference
from hydra_async_sweeper.study.passwords import redacted
from hydra_async_sweeper.trial import HELD_TO, LEASE, STUDY_ID

if TYPE_CHECKING:
    import optuna

# Takes group options and stored values; returns the whole config that the application's files now give with them.
Reread = Callable[[Mapping[str, str], Mapping[str, Any]], Mapping[str, Any]]

_DIRECTIONS = ("minimize", "maximize")


@dataclass(frozen=True)
class Definition:
    """What must not change over the life of a study, or its trials would not compare.

    Attributes:
        directions: one per objective.
        space: what is searched, by name, as text.
        config: the values of all other keys, by override path.
        choices: the config-group options behind it; they give the default of a key that is added later.
    """

    directions: list[str]
    space: dict[str, str]
    config: dict[str, Any]
    choices: dict[str, str] = field(default_factory=dict)


def define(
    directions: Sequence[str],
    space: Space,
    base: DictConfig,
    ignored: Sequence[str],
    sets_other_keys: Callable[[str, str], bool] = lambda *_: False,
) -> Definition:
    """Return the definition of a study.

    Args:
        directions: one per objective.
        space: what is searched.
        base: the composed config without any searched value.
        ignored: keys and sections in which a continuation may differ, such as `device`.
        sets_other_keys: whether an option of a group does more than to give its section's defaults; it is not kept.
    """
    searched = [name.lstrip("+") for name in space.parameters]
    leaves = flat_job_config(base)
    kept = {key: value for key, value in leaves.items() if not is_below(key, ignored) and not is_below(key, searched)}
    kept = {key: redacted(value) if isinstance(value, str) else value for key, value in kept.items()}
    choices = {it: option for it, option in chosen_options(base, ignored).items() if not sets_other_keys(it, option)}
    return Definition(list(directions), space.described(), as_json(kept), choices)


def directions(given: str | Sequence[str]) -> list[str]:
    """Return the directions as a list, one per objective.

    Raises:
        SweepError: an unknown direction.
    """
    listed = [given] if isinstance(given, str) else given
    if isinstance(listed, list) and listed and all(direction in _DIRECTIONS for direction in listed):
        return listed
    raise SweepError(
        f"hydra.sweeper.direction={given}: one of {', '.join(_DIRECTIONS)}, or a list of them, one an objective, is accepted"
    )


def _as_stored(_choices: Mapping[str, str], stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Use no defaults: a key that was not stored is a difference."""
    return stored


def open_study(
    storage: "optuna.storages.BaseStorage",
    name: str,
    definition: Definition,
    *,
    reread: Reread = _as_stored,
    allow_change: bool = False,
) -> "optuna.Study":
    """Return the study `name`, created or continued.

    Args:
        storage: where it lives.
        name: of the study.
        definition: what the study must match, or gets if it is new.
        reread: gives the defaults of keys that the stored study lacks; see `check_same`.
        allow_change: continue although the config differs; the study then stores the new one.

    Raises:
        SweepError: the stored study has other directions, another space or another config.
    """
    import optuna

    wanted = [optuna.study.StudyDirection[direction.upper()] for direction in definition.directions]
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        study = optuna.create_study(storage=storage, study_name=name, directions=wanted, load_if_exists=True)
    if "space" not in study.user_attrs and [it.name.lower() for it in study.directions] == definition.directions:
        study.set_user_attr(STUDY_ID, uuid.uuid4().hex)  # before the space, by which the study is no longer new
        study.set_user_attr("space", definition.space)
        _keep_config(study, definition)
        return study
    allow_change = allow_change or _was_refused(study)
    check_same(study, definition, reread=reread, allow_change=allow_change)
    if allow_change:
        _keep_config(study, definition)
        study.set_user_attr(HELD_TO, {})
    return study


def _was_refused(study: "optuna.Study") -> bool:
    """Return whether all that has begun was refused by the task, as it would have refused every trial: with another config."""
    trials = study.get_trials(deepcopy=False)
    begun = [trial.user_attrs[LEASE] for trial in trials if LEASE in trial.user_attrs]
    return bool(begun) and all(it.get("refused") for it in begun) and all(it.state.name == "WAITING" for it in trials)


def _keep_config(study: "optuna.Study", definition: Definition) -> None:
    study.set_user_attr("config", definition.config)
    study.set_user_attr("choices", definition.choices)


def check_same(
    study: "optuna.Study",
    definition: Definition,
    *,
    reread: Reread = _as_stored,
    allow_change: bool = False,
) -> None:
    """Refuse a study with another definition, naming the first difference.

    A config key that an earlier version did not store counts as its default in today's config files.

    Raises:
        SweepError: other directions, another space or, unless `allow_change`, another config.
    """
    _check_directions(study, definition)
    subject = f"the study {study.study_name} searches"
    _refuse(first_difference(study.user_attrs.get("space", {}), definition.space), subject, _elsewhere(study))
    if not allow_change:
        _check_config(study, definition, reread)


def check_comparable(
    study: "optuna.Study",
    definition: Definition,
    *,
    reread: Reread = _as_stored,
    allow_change: bool = False,
) -> None:
    """Refuse a study whose trials do not compare, although another space may have been searched.

    Raises:
        SweepError: other directions or, unless `allow_change`, another config beside what either of them searches.
    """
    _check_directions(study, definition)
    if not allow_change:
        _check_config(study, definition, reread, searched=[*study.user_attrs.get("space", {}), *definition.space])


def _check_directions(study: "optuna.Study", definition: Definition) -> None:
    before = [direction.name.lower() for direction in study.directions]
    if before != definition.directions:
        now = ",".join(definition.directions)
        which = f"the study {study.study_name} has {','.join(before)}; {_elsewhere(study)}"
        raise SweepError(f"hydra.sweeper.direction={now}: {which}")


def _check_config(study: "optuna.Study", definition: Definition, reread: Reread, searched: Sequence[str] = ()) -> None:
    attributes = study.user_attrs
    stored, choices = attributes.get("config", {}), attributes.get("choices", definition.choices)
    # A searched group sets the keys of its package.
    sections = [name.partition("@")[2] or name.replace("/", ".") for name in searched]
    before, now = (
        {key: value for key, value in config.items() if not is_below(key, sections)} for config in (stored, definition.config)
    )
    difference = first_difference(before, now, lambda: reread(choices, stored))
    hint = f"{_elsewhere(study)}, hydra.sweeper.allow_config_change=true mixes the two"
    _refuse(difference, f"the study {study.study_name} has", hint)


def _elsewhere(study: "optuna.Study") -> str:
    return f"another hydra.sweeper.study_name starts a new study beside {study.study_name}"


def _refuse(difference: tuple[str, Any, Any] | None, subject: str, hint: str) -> None:
    if difference is not None:
        key, old, new = difference
        raise SweepError(f"{key}: now {_shown(new)}, but {subject} {_shown(old)}; {hint}")


def _sweep_text(name: str, **stored: Any) -> str:
    """Return a stored distribution as one would type it."""
    if "choices" in stored:
        return choice_text(stored["choices"])
    low, high, step = stored["low"], stored["high"], stored.get("step")
    text = f"interval({low},{high})"
    if name.startswith("Int"):
        text = f"int({text})" if step in (None, 1) else f"range({low},{high + 1},{step})"
    elif step is not None:
        text = f"range({low},{high + step},{step})"
    return f"tag(log,{text})" if stored.get("log") else text


def _shown(value: Any) -> str:
    """Return a stored distribution in a readable form, any other value as it is."""
    try:
        stored = json.loads(value)
        when = f" when {stored['when']}" if "when" in stored else ""
        return f"{_sweep_text(stored['name'], **stored['attributes'])}{when}"
    except (TypeError, ValueError, KeyError):
        return str(value)
