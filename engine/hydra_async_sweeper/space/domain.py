"""Which values one of Optuna's distributions can take."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def contains(distribution: "BaseDistribution", value: Any) -> bool:
    """Return whether the distribution can take `value`.

    Raises:
        ValueError, TypeError: it is no number, or none of the choices.
    """
    from optuna.trial import TrialState, create_trial

    distribution.to_internal_repr(value)
    try:
        create_trial(state=TrialState.WAITING, params={"it": value}, distributions={"it": distribution})
    except ValueError:
        return False
    return True
