"""Trials of a study in the space of another one, as a warm start takes them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.space.search_space import Space

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def fitted(
    trials: "Sequence[FrozenTrial]", space: Space, stated: Callable[[str], Any], *, keeps_others: bool = False
) -> "list[FrozenTrial]":
    """Return the trials that lie in `space`, with its parameters.

    Args:
        trials: finished ones of another study.
        space: of the new study.
        stated: returns the value that a parameter had which was not searched, or raises `KeyError` if it had none.
        keeps_others: whether parameters that are not in `space` stay, since a function of the user's may suggest them.
    """
    import optuna

    found = []
    for trial in trials:
        values = _values(trial, space, stated)
        if values is None:
            continue
        others = {name: value for name, value in trial.params.items() if name not in space.parameters and keeps_others}
        distributions: dict[str, optuna.distributions.BaseDistribution] = {
            **{name: trial.distributions[name] for name in others},
            **{name: space.parameters[name].distribution for name in values},
        }
        found.append(
            optuna.trial.create_trial(
                state=trial.state,
                values=trial.values,
                params={**others, **values},
                distributions=distributions,
                user_attrs=trial.user_attrs,
                system_attrs=trial.system_attrs,
                intermediate_values=trial.intermediate_values,
            )
        )
    return found


def _values(trial: "FrozenTrial", space: Space, stated: Callable[[str], Any]) -> dict[str, Any] | None:
    """Return the trial's values of the parameters of `space`, or None if one of them lies outside."""
    values: dict[str, Any] = {}
    for name, parameter in space.parameters.items():
        if parameter.is_active(values):
            try:
                values[name] = parameter.suggested(trial.params[name] if name in trial.params else stated(name))
            except (KeyError, TypeError, ValueError):
                return None
    return values
