"""When a parameter is searched: the conditions in `hydra.sweeper.params`, checked and put in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space.domain import contains

if TYPE_CHECKING:
    from hydra_async_sweeper.space.search_space import Parameter

LookUp = Callable[[str, Sequence[str]], Any]


def separate(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, tuple[Any, ...]]]]:
    """Return the text of each parameter, and the conditions of those that have any: accepted values by key.

    A section stands for its keys: `{optimizer: {lr: TEXT}}` is `{optimizer.lr: TEXT}`.

    Raises:
        SweepError: a malformed condition.
    """
    texts: dict[str, Any] = {}
    conditions: dict[str, dict[str, tuple[Any, ...]]] = {}
    for name, given in params.items():
        if not isinstance(given, Mapping):
            texts[name] = given
            continue
        if given and not {"search", "when"} & set(given):
            nested, of_nested = separate({f"{name}.{key}": value for key, value in given.items()})
            texts |= nested
            conditions |= of_nested
            continue
        when = given.get("when")
        if set(given) != {"search", "when"} or not isinstance(when, Mapping) or not when:
            form = "{search: interval(0.8,0.99), when: {optimizer: [sgd, nesterov]}}"
            raise SweepError(f"hydra.sweeper.params.{name}={dict(given)}: a text such as choice(a,b), or {form} is accepted")
        texts[name] = given["search"]
        listed = {
            key: value if isinstance(value, Sequence) and not isinstance(value, str) else [value] for key, value in when.items()
        }
        conditions[name.lstrip("+")] = {key: tuple(values) for key, values in listed.items()}
    return texts, conditions


def applied(
    parameters: "Mapping[str, Parameter]",
    conditions: Mapping[str, Mapping[str, tuple[Any, ...]]],
    fixed: Sequence[str],
    look_up: LookUp | None,
) -> "dict[str, Parameter]":
    """Return the parameters with their conditions, each after those that it depends on.

    A condition on a key that is not searched is decided here: either it or its parameter is dropped.

    Raises:
        SweepError: a condition on what does not exist, on a value that never occurs, or on itself through others.
    """
    placed: dict[str, Parameter] = {}
    waiting = dict(parameters)
    while waiting:
        ready = [name for name in waiting if not any(key in waiting for key in conditions.get(name, {}))]
        if not ready:
            name = next(iter(waiting))
            raise SweepError(f"hydra.sweeper.params.{name}: its condition depends on itself ({', '.join(waiting)})")
        for name in ready:
            parameter = waiting.pop(name)
            when = {}
            is_possible = True
            for key, accepted in conditions.get(name, {}).items():
                if key in placed:
                    when[key] = _checked(name, placed[key], key, accepted)
                else:
                    is_possible &= _in_config(name, key, fixed, look_up) in accepted
            if is_possible:
                placed[name] = replace(parameter, when=when)
    return placed


def _checked(name: str, other: "Parameter", key: str, accepted: tuple[Any, ...]) -> tuple[Any, ...]:
    distribution: Any = other.distribution
    for value in accepted:
        try:
            occurs = contains(distribution, value)
        except (ValueError, TypeError):
            occurs = False
        if not occurs:
            raise SweepError(f"hydra.sweeper.params.{name}: is searched when {key}={value}, which {other.text} never gives")
    return accepted


def _in_config(name: str, key: str, fixed: Sequence[str], look_up: LookUp | None) -> Any:
    try:
        if look_up is None:
            raise KeyError(key)
        return look_up(key, fixed)
    except KeyError:
        message = f"hydra.sweeper.params.{name}: its condition names {key}, which is neither searched nor in the config"
        raise SweepError(message) from None


def defaults(parameters: "Mapping[str, Parameter]", fixed: Sequence[str], look_up: LookUp) -> dict[str, Any]:
    """Return the config's own value of each parameter that it has, as a trial would have it; one outside its range as it is."""
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if parameter.when and not parameter.is_active(values):
            continue
        try:
            value = look_up(name, fixed)
        except KeyError:
            continue
        try:
            values[name] = parameter.suggested(value)
        except (TypeError, ValueError):
            values[name] = value
    return values
